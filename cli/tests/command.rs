//! The command as its users meet it: exit codes, stdout and stderr. Needs no device.

use std::process::{Command, Output, Stdio};

fn dirql(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dirql")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// An address that no machine has.
const NOWHERE: &str = "fffe:ff:1f.7";

#[test]
fn list_is_an_array() {
    let output = dirql(&["list", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(document.is_array());
    assert!(dirql(&["list"]).status.success());
}

#[test]
fn an_address_that_does_not_exist_is_exit_code_6() {
    let commands: [&[&str]; 24] = [
        &["info", NOWHERE],
        &["regs", NOWHERE, "0"],
        &["config", NOWHERE],
        &["config", NOWHERE, "4", "0"],
        &["reset", NOWHERE],
        &["doctor", NOWHERE],
        &["bind", NOWHERE],
        &["restore", NOWHERE],
        &["run", NOWHERE],
        &["selftest", NOWHERE],
        &["irqs", NOWHERE],
        &["irqs", NOWHERE, "--histogram", "/nonexistent/x.svg"],
        &["trace", NOWHERE, "-o", "/nonexistent/x.json"],
        &["stats", NOWHERE],
        &["stats", NOWHERE, "--watch"],
        &["net", NOWHERE, "ping", "10.0.2.2"],
        &["net", NOWHERE, "pcap", "/nonexistent/x.pcap"],
        &["net", NOWHERE, "bench", "tx"],
        &["net", NOWHERE, "tap", "dirql0"],
        &["display", NOWHERE, "modes"],
        &["display", NOWHERE, "pattern"],
        &["display", NOWHERE, "clear"],
        &["display", NOWHERE, "bench"],
        &["bind", NOWHERE, "--dry-run"],
    ];
    for arguments in commands {
        let output = dirql(arguments);
        assert_eq!(output.status.code(), Some(6), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        assert!(text(&output.stderr).starts_with("error: "), "{output:?}");
        let output = dirql(&[arguments, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(6), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let document: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(document["error"]["device"], NOWHERE);
        assert_eq!(document["error"]["exit_code"], 6);
    }
}

#[test]
fn bad_input_is_exit_code_2() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let commands: [&[&str]; 24] = [
        &["regs", NOWHERE, "6"],
        &["regs", NOWHERE, "0", "zero"],
        &["config", NOWHERE, "0", "0", "--width", "24"],
        &["udev", "reload"],
        &["info", "00:20.0"],
        &["info", "::"],
        &["bogus"],
        &["restore"],
        &["bind", "00:03.0", "--owner", ":"],
        &["net", NOWHERE, "send", path],
        &["net", NOWHERE, "ping", "224.0.0.1"],
        &["net", NOWHERE, "pcap", "-", "--json"],
        &["net", NOWHERE, "pcap", "x.pcap", "--queues", "2"],
        &["net", NOWHERE, "ping", "10.0.2.2", "--queues", "2"],
        &["net", NOWHERE, "bench", "rx", "--rate", "1"],
        &["net", NOWHERE, "bench", "tx", "--size", "9014"],
        &["display", NOWHERE, "show", path],
        &["display", NOWHERE, "pattern", "bars", "--seed", "1"],
        &["display", NOWHERE, "pattern", "--mode", "large"],
        &["trace", NOWHERE],
        &["trace", NOWHERE, "-o", "-", "--json"],
        &["irqs", NOWHERE, "--count", "5"],
        &["stats", NOWHERE, "--openmetrics", "--json"],
        &["irqs", NOWHERE, "--watch", "--histogram", "x.svg"],
    ];
    for arguments in commands {
        let output = dirql(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        assert!(!output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn explain_knows_its_codes_and_no_others() {
    let output = dirql(&["explain", "e7"]);
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).starts_with("## E7 "));
    let output = dirql(&["explain", "E7", "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["code"], "E7");
    for code in ["E0", "E16", "", "seven"] {
        assert_eq!(dirql(&["explain", code]).status.code(), Some(6), "{code}");
    }
}

#[test]
fn doctor_looks_at_any_machine_and_tells_by_its_exit_code() {
    let output = dirql(&["doctor", "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let conditions = document["conditions"].as_array().unwrap();
    let fails = conditions.iter().filter(|condition| condition["verdict"] == "fail").count();
    assert!(conditions.len() > 6, "{document}");
    assert_eq!(document["sound"], fails == 0);
    assert_eq!(output.status.code(), Some(if fails == 0 { 0 } else { 3 }), "{document}");
    for condition in conditions.iter().filter(|condition| condition["verdict"] == "fail") {
        assert!(condition["fix"].is_string() && condition["code"].is_string(), "{condition}");
    }
    let text = dirql(&["doctor"]);
    assert_eq!(text.status.code(), output.status.code());
    assert_eq!(
        text.stdout.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"FAIL")).count(),
        fails
    );
}

#[test]
fn help_and_version_are_on_stdout() {
    for arguments in
        [&["--help"][..], &["net", "--help"], &["net", "00:03.0", "ping", "--help"], &["--version"]]
    {
        let output = dirql(arguments);
        assert!(output.status.success() && !output.stdout.is_empty(), "{output:?}");
    }
    let output = dirql(&[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_reader_that_goes_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let command = Command::new(env!("CARGO_BIN_EXE_dirql"))
        .args(["explain", "E3"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(command.status.success(), "{command:?}");
    assert_eq!(text(&command.stderr), "");
}

#[test]
fn a_full_disk_is_a_failure() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let output =
        Command::new(env!("CARGO_BIN_EXE_dirql")).args(["explain", "E3"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("ENOSPC"), "{output:?}");
}
