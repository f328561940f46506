//! Every condition between this user and a device, each looked at on its own: `machine` has those of the machine,
//! `device` those of one function. Nothing is changed, and nothing opened.

mod device;
mod machine;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;

use super::{Function, Host};
use crate::Error;

/// Whether a condition is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is.
    Pass,
    /// It is not, and much can be done all the same.
    Warn,
    /// It is not, and must be.
    Fail,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

/// A condition, as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// What is looked at.
    pub name: &'static str,
    /// Whether it is met.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// A command to paste, or the setting to change.
    pub fix: Option<String>,
    /// Where the catalogue speaks of it.
    pub code: Option<String>,
}

impl Condition {
    fn new(name: &'static str, verdict: Verdict, found: impl Into<String>) -> Self {
        Self { name, verdict, found: found.into(), fix: None, code: None }
    }

    /// A condition that is met.
    pub fn pass(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Verdict::Pass, found)
    }

    /// A condition that is not met, and need not be.
    pub fn warn(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Verdict::Warn, found)
    }

    /// A condition that must be met and is not, as the error says that would come of it.
    pub fn fail(name: &'static str, error: &Error) -> Self {
        let found = error.cause().map_or_else(|| error.to_string(), str::to_owned);
        Self {
            fix: error.remedy().map(str::to_owned),
            code: error.catalogue_code().map(|code| code.to_string()),
            ..Self::new(name, Verdict::Fail, found)
        }
    }

    /// With what to do about it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

impl Host {
    /// The conditions of the machine, and those of `function`, in the order in which they are to be met.
    pub fn examine(&self, function: Option<&Function>) -> Vec<Condition> {
        let mut conditions = machine::conditions(self, function);
        if let Some(function) = function {
            conditions.extend(device::conditions(self, function));
        }
        conditions
    }
}
