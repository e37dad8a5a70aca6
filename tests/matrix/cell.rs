//! A cell: a field, a wish, an answer to Pass Empty Values, a way, and what was there before.

use super::field::{Field, Kind, fields};
use super::meaning::{Outcome, meaning};
use super::way::{Start, Stored, Way, arrive};
use super::wish::{Wish, wishes};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fmt;

/// One cell with what has to come of it.
pub struct Cell {
    /// The name of its resource; `auth0|NAME` is its user.
    pub name: String,
    pub field: Field,
    pub wish: Wish,
    pub yes: bool,
    pub way: Way,
    pub start: Start,
    /// The outcome of what is there before the wish.
    pub earlier: Outcome,
    /// What is stored and what comes of it; `None` where the API server has to refuse.
    pub expected: Option<(Stored, Outcome)>,
}

/// What the API server holds of a resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Held {
    pub spec: Map<String, Value>,
    /// The spec that kubectl's client-side apply noted down.
    pub last_applied: Option<Map<String, Value>>,
}

impl Cell {
    fn new(number: usize, field: &Field, wish: Wish, yes: bool, way: Way, start: Start) -> Self {
        let name = format!("cell-{number:05}");
        let user = seed(&name, number);
        let before =
            Stored { value: (start == Start::Present).then(|| field.before.clone()), ..Stored::default() };
        let carried = field.beside.as_ref().map(|beside| (beside, &beside.before));
        let carried = carried.filter(|_| start != Start::Nothing);
        let earlier = meaning(field, &before, yes, carried, &user);
        let expected = arrive(way, field, before.value.as_ref(), &wish).map(|stored| {
            let carried = field.beside.as_ref().map(|beside| (beside, &beside.value));
            let outcome = meaning(field, &stored, yes, carried, &earlier.user);
            (stored, outcome)
        });
        Self { name, field: field.clone(), wish, yes, way, start, earlier, expected }
    }

    /// The user before anybody asks.
    pub fn seed(&self) -> Map<String, Value> {
        let number = self.name.trim_start_matches("cell-").parse().unwrap();
        seed(&self.name, number)
    }

    /// The spec before the wish.
    pub fn spec_before(&self) -> Map<String, Value> {
        let mut spec = self.base();
        if let Some(beside) = &self.field.beside {
            spec.insert(beside.name.to_owned(), beside.before.clone());
        }
        if self.start == Start::Present && !self.field.before.is_null() {
            spec.insert(self.field.name.to_owned(), self.field.before.clone());
        }
        spec
    }

    /// The wish as a whole spec.
    pub fn spec_wished(&self) -> Map<String, Value> {
        let mut spec = self.base();
        spec.extend(self.changes());
        spec
    }

    /// The wish alone, as a patch writes it.
    pub fn changes(&self) -> Map<String, Value> {
        let mut changes = self.wish.fragment(&self.field);
        if let Some(beside) = &self.field.beside {
            changes.insert(beside.name.to_owned(), beside.value.clone());
        }
        changes
    }

    /// What is held before the wish; `None` where nothing is.
    pub fn held_before(&self) -> Option<Held> {
        (self.start != Start::Nothing).then(|| self.held_as(self.spec_before(), self.spec_before()))
    }

    /// What is held after it; `None` where the API server has to refuse.
    pub fn held(&self) -> Option<Held> {
        let (stored, _) = self.expected.as_ref()?;
        let mut spec = self.base();
        spec.extend(self.field.beside.iter().map(|beside| (beside.name.to_owned(), beside.value.clone())));
        spec.extend(stored.value.clone().map(|value| (self.field.name.to_owned(), value)));
        spec.extend(stored.clear.clone().map(|clear| ("clear".to_owned(), clear)));
        Some(self.held_as(spec, self.spec_wished()))
    }

    fn held_as(&self, spec: Map<String, Value>, written: Map<String, Value>) -> Held {
        let is_noted = matches!(self.way, Way::ApplyCreate | Way::ApplyUpdate);
        Held { spec, last_applied: is_noted.then_some(written) }
    }

    fn base(&self) -> Map<String, Value> {
        let option = if self.yes { "Yes" } else { "No" };
        // Without outputs, which are not what this is about, thousands of resources stay small.
        let base = json!({
            "tenantRef": {"name": "example"}, "userId": format!("auth0|{}", self.name),
            "passEmptyValues": option, "output": "None",
        });
        let mut base = base.as_object().unwrap().clone();
        if self.field.kind == Kind::Choice {
            base.remove(self.field.name);
        }
        base
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (wish, option) = (Value::Object(self.changes()), if self.yes { "Yes" } else { "No" });
        let before = Value::Object(self.spec_before());
        let field = self.field.name;
        write!(formatter, "{} {field}: {wish} under {option} by {:?}", self.name, self.way)?;
        match self.start {
            Start::Nothing => Ok(()),
            Start::Absent => write!(formatter, ", absent before"),
            Start::Present => write!(formatter, ", before {}", before[field]),
        }
    }
}

/// The cells of these ways that a test plays: those that it is about, or the one that CELL names, where it is set.
pub fn chosen(ways: &[Way], is_about: impl Fn(&Cell) -> bool) -> Vec<Cell> {
    let mut cells = cells(ways);
    if let Ok(name) = std::env::var("CELL") {
        assert!(self::cells(&Way::ALL).iter().any(|cell| cell.name == name), "there is no cell {name}");
        cells.retain(|cell| cell.name == name);
    } else {
        cells.retain(is_about);
    }
    cells
}

/// Every cell of these ways; numbers are the same whichever ways are asked for.
fn cells(ways: &[Way]) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut number = 0;
    for field in fields() {
        for way in Way::ALL {
            for start in way.starts() {
                if field.kind == Kind::Required && *start == Start::Absent {
                    continue;
                }
                for yes in [true, false] {
                    let field = |number| field.numbered(number, *start == Start::Present);
                    for index in 0..wishes(&field(0)).len() {
                        number += 1;
                        if ways.contains(&way) {
                            let field = field(number);
                            let wish = wishes(&field).swap_remove(index);
                            cells.push(Cell::new(number, &field, wish, yes, way, *start));
                        }
                    }
                }
            }
        }
    }
    cells
}

/// A person who has a value for everything that can be cleared, and unverified addresses.
fn seed(name: &str, number: usize) -> Map<String, Value> {
    let mut user = json!({
        "user_id": format!("auth0|{name}"),
        "identities": [{"connection": "People", "user_id": name, "provider": "auth0", "isSocial": false}],
        "email_verified": false, "phone_verified": false, "blocked": false,
    });
    for field in fields() {
        let field = field.numbered(number, false);
        if !field.seed.is_null() {
            user[field.attribute] = field.seed;
        }
    }
    user.as_object().unwrap().clone()
}
