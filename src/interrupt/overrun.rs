//! A vector that was held for too long, and who is told of it.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use crate::synchronize::unpoisoned;

/// A place in the source: where a section was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSite {
    /// The file, as the compiler was told it.
    pub file: Cow<'static, str>,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl From<&'static Location<'static>> for CallSite {
    fn from(at: &'static Location<'static>) -> Self {
        Self { file: at.file().into(), line: at.line(), column: at.column() }
    }
}

impl fmt::Display for CallSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Who found a vector held for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeenBy {
    /// Who held it, and was timed.
    Holder,
    /// Who waited for it: the time is what it waited.
    Waiter,
}

/// A vector was held for longer than its budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrun {
    /// The vector's index.
    pub vector: u16,
    /// Where the section was asked for; `None` for the handler.
    pub call_site: Option<CallSite>,
    /// For how long, in nanoseconds.
    pub held_ns: u64,
    /// Who found it.
    pub seen_by: SeenBy,
}

impl fmt::Display for Overrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vector {} was held for {} ns by ", self.vector, self.held_ns)?;
        match &self.call_site {
            Some(site) => write!(f, "the section of {site}"),
            None => f.write_str("its handler"),
        }
    }
}

type Hook = Arc<dyn Fn(&Overrun) + Send + Sync>;

/// Whom a device's vectors tell of overruns.
#[derive(Default)]
pub struct OverrunHook(Mutex<Option<Hook>>);

impl fmt::Debug for OverrunHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OverrunHook(set: {})", unpoisoned(&self.0).is_some())
    }
}

thread_local! {
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

impl OverrunHook {
    pub fn set(&self, hook: impl Fn(&Overrun) + Send + Sync + 'static) {
        *unpoisoned(&self.0) = Some(Arc::new(hook));
    }

    /// Calls the hook, unless this thread is in one: its own sections may be long.
    pub fn tell(&self, overrun: &Overrun) {
        let hook = unpoisoned(&self.0).clone();
        let Some(hook) = hook else { return };
        if TELLING.replace(true) {
            return;
        }
        catch_unwind(AssertUnwindSafe(|| hook(overrun))).unwrap_or_else(|panic| {
            log::error!("the hook for overruns panicked on: {overrun}");
            // What was panicked with may panic when it is dropped.
            catch_unwind(AssertUnwindSafe(|| drop(panic))).unwrap_or_else(std::mem::forget);
        });
        TELLING.set(false);
    }
}
