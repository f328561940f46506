//! The record of a bind.

use dirql::ErrorKind;

use crate::machine::{Machine, address};

thread_local! {
    static MACHINE: Machine = Machine::new("record", &["run/dirql/0000:00:04.0.json"]);
}

pub fn run(bytes: &[u8]) {
    // A byte of 0 would begin another file, of which there is none.
    let bytes: Vec<u8> = bytes.iter().copied().filter(|&byte| byte != 0).collect();
    MACHINE.with(|machine| {
        machine.write(&bytes);
        let host = machine.host();
        assert_eq!(host.recorded(), [address()]);
        match host.record(address()) {
            Ok(record) => {
                let record = record.expect("there is one");
                let text = serde_json::to_vec(&record).expect("a record is written");
                machine.write(&text);
                assert_eq!(machine.host().record(address()).ok().flatten(), Some(record));
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Failure, "{error}");
                assert!(error.to_string().contains("the record is damaged"), "{error}");
            }
        }
    });
}
