//! The tenant's events in the order in which streams get them.
//!
//! Loss, doubles, disorder and delay are decided when an event is raised, so all streams, and those that resume,
//! see the same.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::rules::EventRules;

/// How long an event waits for the neighbour that overtakes it.
const PATIENCE: Duration = Duration::from_secs(1);

/// What happened.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: String,
    /// Milliseconds since the epoch.
    pub(crate) at: u64,
    /// In the form of a cloud event.
    pub(crate) body: Value,
}

/// A place in the stream; without an event it only moves the offset.
#[derive(Clone, Debug)]
struct Entry {
    due: Instant,
    event: Option<Arc<Event>>,
}

/// What comes next for a stream.
#[derive(Debug)]
pub(crate) enum Next {
    Event(Arc<Event>),
    /// Nothing until this moment, or until more is raised.
    Wait(Option<Instant>),
    /// What it was to get is no longer retained.
    Expired,
}

/// Why an offset leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadOffset {
    Malformed,
    Expired,
}

#[derive(Debug, Default)]
pub(crate) struct Events {
    log: VecDeque<Entry>,
    /// The position of the newest entry.
    last: u64,
    /// Offsets before this position are expired, even where the entries are still held.
    floor: u64,
    /// Overtaken by the next one, or pushed at this moment.
    held: Option<(Instant, Vec<Entry>)>,
    salt: u64,
    raised: u64,
    lost: Counter,
    doubled: Counter,
    swapped: Counter,
    /// Each open stream has a clone.
    open: Arc<()>,
    /// How often all streams were ended, and with which error the last time.
    endings: u64,
    error: Option<Value>,
    pulse: watch::Sender<()>,
}

/// Levels of an object that an event shows: a copy has to fit on the stack of any test's thread.
const LEVELS: usize = 64;

/// An object as an event shows it.
pub(crate) fn copied(object: &Map<String, Value>) -> Map<String, Value> {
    members(object, LEVELS)
}

fn members(object: &Map<String, Value>, levels: usize) -> Map<String, Value> {
    object.iter().filter_map(|(key, value)| Some((key.clone(), copy(value, levels)?))).collect()
}

/// `None`: it lies too deep.
fn copy(value: &Value, levels: usize) -> Option<Value> {
    match value {
        Value::Array(_) | Value::Object(_) if levels == 0 => None,
        Value::Array(items) => Some(items.iter().filter_map(|item| copy(item, levels - 1)).collect()),
        Value::Object(object) => Some(Value::Object(members(object, levels - 1))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(value.clone()),
    }
}

/// Counts while its switch is on.
#[derive(Debug, Default)]
struct Counter(u64);

impl Counter {
    /// Whether this is one of every n.
    fn hits(&mut self, every: Option<u64>) -> bool {
        let Some(every) = every.filter(|every| *every > 0) else {
            self.0 = 0;
            return false;
        };
        self.0 += 1;
        self.0.is_multiple_of(every)
    }
}

impl Events {
    /// No events, and offsets that no other tenant gives out.
    pub(crate) fn new(salt: u64) -> Self {
        Self { salt, ..Self::default() }
    }

    /// Something happened to this object; `time` is `at` as text, `host` the tenant.
    pub(crate) fn raise(
        &mut self,
        kind: &str,
        mut object: Map<String, Value>,
        (at, time): (u64, String),
        host: &str,
        rules: &EventRules,
    ) {
        self.settle();
        self.raised += 1;
        object.retain(|field, _| !rules.omitted.contains(field));
        let tenant = host.split(['.', ':']).next().unwrap_or_default();
        let body = json!({
            "specversion": "1.0",
            "type": kind,
            "source": format!("urn:auth0:{host}"),
            "id": format!("evt_{:022x}", self.raised),
            "time": time,
            "data": { "object": object },
            "a0tenant": tenant,
            "a0stream": "est_stand-in",
        });
        let event = Arc::new(Event { kind: kind.to_owned(), at, body });
        self.place(event, rules);
        self.forget(rules.retained);
        self.wake();
    }

    fn place(&mut self, event: Arc<Event>, rules: &EventRules) {
        let due = Instant::now() + Duration::from_millis(rules.delay_millis);
        if self.lost.hits(rules.lose_every) {
            return self.push(vec![Entry { due, event: None }]);
        }
        let copies = if self.doubled.hits(rules.double_every) { 2 } else { 1 };
        let entries = vec![Entry { due, event: Some(event) }; copies];
        if self.swapped.hits(rules.swap_every) && self.held.is_none() {
            self.held = Some((Instant::now() + PATIENCE, entries));
            return;
        }
        self.push(entries);
        if let Some((_, overtaken)) = self.held.take() {
            self.push(overtaken);
        }
    }

    fn push(&mut self, entries: Vec<Entry>) {
        self.last += entries.len() as u64;
        self.log.extend(entries);
    }

    /// Pushes what waited long enough for a neighbour.
    fn settle(&mut self) {
        if let Some((_, entries)) = self.held.take_if(|(until, _)| *until <= Instant::now()) {
            self.push(entries);
        }
    }

    /// Keeps the newest entries only.
    pub(crate) fn forget(&mut self, retained: usize) {
        let surplus = self.log.len().saturating_sub(retained);
        self.log.drain(..surplus);
        self.floor = self.floor.max(self.before_log());
    }

    /// The position before the oldest entry that is held.
    fn before_log(&self) -> u64 {
        self.last - self.log.len() as u64
    }

    /// The newest position.
    pub(crate) fn latest(&mut self) -> u64 {
        self.settle();
        self.last
    }

    /// The position before the first event at or after this time.
    pub(crate) fn since(&mut self, at: u64) -> u64 {
        self.settle();
        let is_after = |entry: &Entry| entry.event.as_ref().is_some_and(|event| event.at >= at);
        let skipped = self.log.iter().position(is_after).unwrap_or(self.log.len());
        self.before_log() + skipped as u64
    }

    /// An opaque text for a position. The alphabet is that of base64, as in Auth0's examples.
    pub(crate) fn offset(&self, position: u64) -> String {
        format!("{:016x}+/==", position ^ self.salt)
    }

    /// The position that an offset stands for.
    pub(crate) fn position(&self, offset: &str) -> Result<u64, BadOffset> {
        let digits = offset.strip_suffix("+/==").filter(|digits| digits.len() == 16);
        let number =
            digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).map(|held| held ^ self.salt);
        let position = number.filter(|position| *position <= self.last).ok_or(BadOffset::Malformed)?;
        if position < self.floor { Err(BadOffset::Expired) } else { Ok(position) }
    }

    /// Offsets given out so far are expired; open streams go on.
    pub(crate) fn expire_offsets(&mut self) {
        self.settle();
        self.push(vec![Entry { due: Instant::now(), event: None }]);
        self.floor = self.last;
        self.wake();
    }

    /// What follows a position, which moves there.
    pub(crate) fn next(&mut self, position: &mut u64) -> Next {
        self.settle();
        let before = self.before_log();
        if *position < before {
            return Next::Expired;
        }
        let following = usize::try_from(*position - before).unwrap_or(usize::MAX);
        for entry in self.log.iter().skip(following) {
            if entry.due > Instant::now() {
                return Next::Wait(Some(entry.due));
            }
            *position += 1;
            if let Some(event) = &entry.event {
                return Next::Event(event.clone());
            }
        }
        Next::Wait(self.held.as_ref().map(|(until, _)| *until))
    }

    /// A place among the open streams, until it is dropped.
    pub(crate) fn place_of_stream(&self) -> Arc<()> {
        self.open.clone()
    }

    pub(crate) fn open_streams(&self) -> usize {
        Arc::strong_count(&self.open) - 1
    }

    /// Ends all open streams, with an error or without.
    pub(crate) fn end_streams(&mut self, error: Option<Value>) {
        self.endings += 1;
        self.error = error;
        self.wake();
    }

    /// How often streams were ended; one that opened at another count is to end, with this error.
    pub(crate) fn ending(&self) -> (u64, Option<&Value>) {
        (self.endings, self.error.as_ref())
    }

    /// Streams look again whether anything concerns them.
    pub(crate) fn wake(&self) {
        self.pulse.send_replace(());
    }

    /// Hears of everything that may concern a stream.
    pub(crate) fn listen(&self) -> watch::Receiver<()> {
        self.pulse.subscribe()
    }
}
