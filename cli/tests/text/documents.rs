//! stdout is one JSON document or nothing, messages are on stderr, and whoever does not listen is no trouble.

use std::fs::OpenOptions;
use std::process::Command;

use crate::run::{Said, plain};
use crate::tree::{NOWHERE, ROWS, commands};

#[test]
fn with_json_there_is_one_document_or_nothing() {
    for row in ROWS {
        let said = row.run(&["--json"]);
        let code = said.code.unwrap_or_else(|| panic!("{said:?}"));
        assert!(row.codes.contains(&code), "{said:?}");
        match code {
            0 => assert_eq!(said.stderr, "", "{said:?}"),
            _ => {
                let error = said.error();
                // Who reads a file first gets no further.
                let looks_up = error["error"]["path"].is_null() && code == 6;
                if row.line.contains(NOWHERE) && looks_up {
                    assert_eq!(error["error"]["device"], NOWHERE, "{said:?}");
                }
            }
        }
        // What is not met is the doctor's finding, and its failure.
        let has_data = code == 0 || row.command == "doctor";
        match has_data {
            true => assert!(said.document().is_object() || said.document().is_array(), "{said:?}"),
            false => assert_eq!(said.stdout, "", "{said:?}"),
        }
    }
}

#[test]
fn a_mistake_is_a_document_too() {
    for node in commands() {
        let typed: Vec<_> = node.typed.iter().map(String::as_str).collect();
        for words in [
            [&["--json"], &typed[..], &["--no-such"]].concat(),
            [&typed[..], &["--no-such", "--json"]].concat(),
        ] {
            let said = Said::of(&words, |_| {});
            assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{said:?}");
            let error = said.error();
            assert!(error["error"]["why"].as_str().unwrap().contains("'--no-such'"), "{said:?}");
            let fix = error["error"]["fix"].as_str().unwrap();
            // What it says to type is there.
            let help: Vec<_> = fix.split(' ').skip(1).collect();
            let help = Said::of(&help, |_| {});
            let is_of = help.stdout.lines().any(|line| line.starts_with("Usage: dirql"));
            assert!(help.code == Some(0) && is_of, "{fix}: {help:?}");
        }
        let said = Said::of(&[&typed[..], &["--no-such"]].concat(), |_| {});
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{said:?}");
        assert!(said.stderr.starts_with("error: unexpected argument '--no-such'"), "{said:?}");
    }
}

#[test]
fn help_and_version_stay_text() {
    for words in [["--json", "--help"], ["--json", "--version"], ["help", "bind"]] {
        let said = Said::of(&words, |_| {});
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said:?}");
        assert!(!said.stdout.starts_with('{') && !said.stdout.is_empty(), "{said:?}");
    }
    // Nothing typed is no success, and data for nobody.
    let said = Said::of::<&str>(&[], |_| {});
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{said:?}");
    assert_eq!(said.stderr, Said::of(&["--help"], |_| {}).stdout);
}

#[test]
fn what_is_said_more_is_on_stderr() {
    for row in ROWS {
        let quiet = row.run(&[]);
        if row.works() {
            assert_eq!(quiet.stderr, "", "{quiet:?}");
        }
        for more in ["-v", "-vv"] {
            let said = row.run(&[more]);
            assert!(row.codes.contains(&said.code.unwrap()), "{said:?}");
            // Alone, it is a command that is missing; else the same is done.
            if !row.command.is_empty() {
                assert_eq!(said.stdout, quiet.stdout, "{said:?}");
            }
        }
    }
}

/// A disk that is full is a failure of who has data to write, and of nobody else.
#[test]
fn a_full_disk_is_told() {
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for row in ROWS {
        for more in [&[][..], &["--json"], &["--help"]] {
            let said = row.run_in(more, |command| {
                command.stdout(full());
            });
            let json = more.contains(&"--json");
            // The doctor's finding comes first.
            let writes = row.works() || more.contains(&"--help");
            match (writes, json) {
                (true, true) => assert_eq!(said.error()["error"]["errno"], "ENOSPC", "{said:?}"),
                (true, false) => {
                    let told = said.stderr.starts_with("error: writing of the output failed: ENOSPC");
                    assert!(said.code == Some(1) && told, "{said:?}");
                }
                (false, _) => {
                    assert!(row.codes.contains(&said.code.unwrap()) || row.command == "doctor", "{said:?}")
                }
            }
        }
    }
}

/// A reader that has gone changes nothing: no signal, no message, and a failure stays one.
#[test]
fn a_reader_that_goes_is_no_failure() {
    for row in ROWS {
        for more in [&[][..], &["--json"], &["--help"]] {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let said = row.run_in(more, |command| {
                command.stdout(writer);
            });
            let codes = if more.contains(&"--help") { &[0] } else { row.codes };
            assert!(said.code.is_some_and(|code| codes.contains(&code)), "{said:?}");
            assert_eq!(said.stderr.is_empty(), said.code == Some(0), "{said:?}");
        }
    }
}

/// Closed descriptors are nobody to talk to; in no file that is opened later do messages appear.
#[test]
fn closed_descriptors_change_nothing() {
    for row in ROWS {
        let directory = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        shell.current_dir(&directory).args(["-c", r#"exec "$0" "$@" <&- >&- 2>&-"#]);
        shell.arg(env!("CARGO_BIN_EXE_dirql")).args(row.line.split(' ').filter(|word| !word.is_empty()));
        plain(&mut shell);
        let said = Said::run(shell, format!("dirql {} with everything closed", row.line));
        assert!(said.code.is_some_and(|code| row.codes.contains(&code)), "{said:?}");
    }
}
