//! Rate limits: token buckets by plan, with the figures Auth0 documents.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::clock::signed;

/// A plan's limits.
///
/// As text: `unlimited`, `free`, `essentials`, `enterprise`, `enterprise-test`, or `custom:BURST:PER_SECOND`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Plan {
    /// No limit; headers show a large bucket.
    #[default]
    Unlimited,
    /// 2 requests at once, 2 per second, for the whole Management API; the token endpoint 30 per second.
    Free,
    /// Writes of users 20 at once, 200 per minute; reads 40 and 500; connections 5 and 50; rest 10 and 150.
    Essentials,
    /// 50 at once, 16 per second, for the whole Management API.
    Enterprise,
    /// A tenant of an enterprise plan that is not for production: 10 at once, 2 per second.
    EnterpriseTest,
    /// Figures of a test's own, for the whole Management API.
    Custom {
        /// Requests at once.
        burst: u32,
        /// Requests per second in the long run.
        per_second: u32,
    },
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            ["unlimited"] => Ok(Self::Unlimited),
            ["free"] => Ok(Self::Free),
            ["essentials"] => Ok(Self::Essentials),
            ["enterprise"] => Ok(Self::Enterprise),
            ["enterprise-test"] => Ok(Self::EnterpriseTest),
            ["custom", burst, per_second] => {
                let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is not a number"));
                Ok(Self::Custom { burst: number(burst)?, per_second: number(per_second)? })
            }
            _ => Err(format!(
                "`{text}` is no plan; plans: unlimited, free, essentials, enterprise, enterprise-test, \
                 custom:BURST:PER_SECOND"
            )),
        }
    }
}

impl TryFrom<String> for Plan {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Plan> for String {
    fn from(plan: Plan) -> Self {
        match plan {
            Plan::Unlimited => "unlimited".into(),
            Plan::Free => "free".into(),
            Plan::Essentials => "essentials".into(),
            Plan::Enterprise => "enterprise".into(),
            Plan::EnterpriseTest => "enterprise-test".into(),
            Plan::Custom { burst, per_second } => format!("custom:{burst}:{per_second}"),
        }
    }
}

/// Which limit a request counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    WriteUsers,
    ReadUsers,
    ReadConnections,
    Rest,
    Token,
}

/// A bucket's size, and what is added at the end of each window. Auth0 documents "token bucket, refilled
/// in a fixed window"; windows of 1 s for figures per second and of 6 s for figures per minute are
/// inferred from recorded resets (1 s, and 1 to 6 s, ahead).
#[derive(Clone, Copy)]
struct Size {
    burst: u32,
    added: u32,
    window: u64,
}

const fn per_second(burst: u32, rate: u32) -> Size {
    Size { burst, added: rate, window: 1 }
}

const fn per_minute(burst: u32, rate: u32) -> Size {
    Size { burst, added: rate / 10, window: 6 }
}

impl Plan {
    /// The bucket a request draws from, and its key: one for all where the plan has a global limit.
    fn bucket(self, class: Class) -> Option<(Class, Size)> {
        match (self, class) {
            (Self::Free, Class::Token) => Some((Class::Token, per_second(30, 30))),
            (_, Class::Token) | (Self::Unlimited, _) => None,
            (Self::Free, _) => Some((Class::Rest, per_second(2, 2))),
            (Self::Enterprise, _) => Some((Class::Rest, per_second(50, 16))),
            (Self::EnterpriseTest, _) => Some((Class::Rest, per_second(10, 2))),
            (Self::Custom { burst, per_second: rate }, _) => Some((Class::Rest, per_second(burst, rate))),
            (Self::Essentials, Class::WriteUsers) => Some((class, per_minute(20, 200))),
            (Self::Essentials, Class::ReadUsers) => Some((class, per_minute(40, 500))),
            (Self::Essentials, Class::ReadConnections) => Some((class, per_minute(5, 50))),
            (Self::Essentials, Class::Rest) => Some((class, per_minute(10, 150))),
        }
    }
}

/// What the `x-ratelimit-*` headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// Unix seconds at which tokens are next added.
    pub(crate) reset: i64,
    pub(crate) allowed: bool,
}

#[derive(Debug)]
struct Bucket {
    left: u32,
    window: u64,
}

/// The buckets of one tenant.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    buckets: BTreeMap<Class, Bucket>,
}

impl Limiter {
    /// Forgets all that was drawn.
    pub(crate) fn reset(&mut self) {
        self.buckets.clear();
    }

    /// Draws one token at this second.
    pub(crate) fn draw(&mut self, plan: Plan, class: Class, now: u64) -> Standing {
        let Some((key, size)) = plan.bucket(class) else {
            return Standing { limit: 10_000, remaining: 9_999, reset: signed(now + 1), allowed: true };
        };
        let window = now / size.window;
        let bucket = self.buckets.entry(key).or_insert(Bucket { left: size.burst, window });
        let passed = u32::try_from(window.saturating_sub(bucket.window)).unwrap_or(u32::MAX);
        bucket.left = bucket.left.saturating_add(passed.saturating_mul(size.added)).min(size.burst);
        bucket.window = window;
        let allowed = bucket.left > 0;
        bucket.left = bucket.left.saturating_sub(1);
        let reset = signed((window + 1) * size.window);
        Standing { limit: size.burst, remaining: bucket.left, reset, allowed }
    }
}
