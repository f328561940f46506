//! A walk over all codes: each cause of each of them is provoked, on a machine in a directory or on a device in this
//! process, and answered with its code, its exit code, why, and what to do. What needs a kernel is provoked in the lab.

mod opening;
mod running;

use std::collections::BTreeMap;

use nix::errno::Errno;

use super::fake::Machine;
use super::{Explanation, Host};
use crate::pci::Address;
use crate::{Code, Error};

const NIC: &str = "0000:01:00.0";
const TWIN: &str = "0000:01:01.0";

/// A cause: what is said of it.
struct Row {
    code: Code,
    /// The kernel's word; `None` where it was found by looking.
    errno: Option<Errno>,
    exit: u8,
    why: &'static str,
    fix: &'static str,
    error: Error,
}

fn row(code: Code, errno: impl Into<Option<Errno>>, exit: u8, says: [&'static str; 2], error: Error) -> Row {
    let [why, fix] = says;
    Row { code, errno: errno.into(), exit, why, fix, error }
}

fn nic() -> Address {
    NIC.parse().unwrap()
}

/// A machine whose group 5 has two functions, on these drivers.
fn pair(first: Option<&str>, second: Option<&str>) -> (Machine, Host) {
    let machine = Machine::new();
    machine.function(NIC, 0x8086, 0x100e, first, Some(5));
    machine.function(TWIN, 0x8086, 0x100e, second, Some(5));
    let host = machine.host();
    (machine, host)
}

#[test]
fn each_cause_of_each_code_is_answered() {
    let rows: Vec<Row> = opening::rows().into_iter().chain(running::rows()).collect();
    let mut causes: BTreeMap<Code, Vec<&str>> = BTreeMap::new();
    for row in &rows {
        let (error, text) = (&row.error, row.error.to_string());
        assert_eq!(error.catalogue_code(), Some(row.code), "{text}");
        assert_eq!(error.raw_errno(), row.errno, "{text}");
        assert_eq!(error.kind().exit_code(), row.exit, "{text}");
        assert!(error.cause().is_some_and(|why| why.contains(row.why)), "{}: {text}", row.why);
        assert!(error.remedy().is_some_and(|fix| fix.contains(row.fix)), "{}: {text}", row.fix);
        assert!(text.contains(&format!("see: dirql explain {}", row.code)), "{text}");
        // The same as fields.
        let fields = &error.to_json()["error"];
        assert_eq!(fields["code"], row.code.to_string());
        assert_eq!(fields["errno"], serde_json::json!(row.errno.map(|errno| format!("{errno:?}"))));
        assert_eq!(fields["exit_code"], row.exit);
        for (name, part) in [("why", row.why), ("fix", row.fix)] {
            assert!(fields[name].as_str().is_some_and(|text| text.contains(part)), "{fields}");
        }
        causes.entry(row.code).or_default().push(row.why);
    }
    for code in Code::ALL {
        let found = causes.get(&code).map_or(0, Vec::len);
        assert!(found > 0, "nothing raises {code}");
        // No cause is told in the words of another.
        let why: Vec<_> = rows.iter().filter(|row| row.code == code).map(|row| row.error.cause()).collect();
        let different = why.iter().enumerate().all(|(index, cause)| !why[..index].contains(cause));
        assert!(different, "{code}: {why:?}");
        assert!(!Explanation::of(code).fix.is_empty(), "{code}");
    }
    super::messages_tests::compare_errors("codes", rows.iter().map(|row| &row.error));
}
