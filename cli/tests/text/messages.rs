//! What is said without a device: refusals, mistakes, explanations.

use std::process::Stdio;

use crate::help::{COLUMNS, compare, compared};
use crate::run::{Said, Shown};
use crate::tree::ROWS;

/// Looks at what lines say on a terminal, those together that say the same. None of them has data.
fn conversation(name: &str, lines: &[&str]) {
    let mut said: Vec<(Vec<&str>, String)> = Vec::new();
    for line in lines {
        let directory = tempfile::tempdir().unwrap();
        let words: Vec<_> = line.split(' ').filter(|word| !word.is_empty()).collect();
        let shown = Shown::on_a_terminal(COLUMNS as u16, &words, |command| {
            command.current_dir(&directory).env("TERM", "dumb").stdout(Stdio::null());
        });
        for text in shown.text.lines().filter(|line| !stays(line)) {
            assert!(text.chars().count() <= COLUMNS, "{line}: {text:?}");
        }
        let code = shown.code.unwrap();
        assert_ne!(code, 0, "{line}");
        let text = format!("{}[exit code {code}]\n", shown.text);
        match said.iter_mut().find(|(_, same)| *same == text) {
            Some((lines, _)) => lines.push(line),
            None => said.push((vec![line], text)),
        }
    }
    let asked = |lines: Vec<&str>| lines.iter().map(|line| format!("$ dirql {line}\n")).collect::<String>();
    let texts: Vec<_> = said.into_iter().map(|(lines, text)| asked(lines) + &text).collect();
    compare("messages", name, &texts.join("\n"));
}

/// What stays in one piece, however long it is.
fn stays(line: &str) -> bool {
    ["  fix: ", "  path: ", "  [subcommands: ", "{"].iter().any(|begin| line.starts_with(begin))
}

#[test]
fn no_such_device() {
    let lines: Vec<_> = ROWS.iter().filter(|row| row.codes == [6]).map(|row| row.line).collect();
    conversation("no-such-device", &lines);
    conversation("no-such-name", &["info eth99", "bind nvme9n9", "restore nothing", "run 0000:00:1f.6x"]);
}

#[test]
fn mistakes() {
    conversation(
        "mistakes",
        &[
            "lisst",
            "bogus",
            "net 00:03.0",
            "net 00:03.0 pong",
            "bind",
            "bind 00:03.0 --onwer me",
            "bind 00:03.0 --owner :",
            "bind --group x",
            "bind 00:03.0 --group 3",
            "restore",
            "restore 00:03.0 --timeout -1",
            "info 00:20.0",
            "info ::",
            "info",
            "regs 00:03.0 6",
            "regs 00:03.0 0 zero",
            "config 00:03.0 0 0 --width 24",
            "udev reload",
            "explain",
            "completions tcsh",
            "trace 00:03.0",
            "trace 00:03.0 -o - --json",
            "irqs 00:03.0 --count 5",
            "irqs 00:03.0 --watch --histogram x.svg",
            "run 00:03.0 --queues 0",
            "run 00:03.0 --mtu 67",
            "run 00:03.0 --seconds nan",
            "net 00:03.0 ping ::1",
            "net 00:03.0 ping 224.0.0.1",
            "net 00:03.0 ping 10.0.2.2 --source 10.0.2.15",
            "net 00:03.0 ping 10.0.2.2 --source 224.0.0.1/4",
            "net 00:03.0 ping 10.0.2.2 --queues 2",
            "net 00:03.0 pcap - --json",
            "net 00:03.0 pcap x.pcap --queues 2",
            "net 00:03.0 bench rx --rate 1",
            "net 00:03.0 bench tx --size 9014",
            "net 00:03.0 bench tx --to 52:54",
            "display 00:03.0 pattern plaid",
            "display 00:03.0 pattern bars --seed 1",
            "display 00:03.0 pattern --mode large",
        ],
    );
}

#[test]
fn explanations() {
    for code in 1..=15 {
        let said = Said::of(&["explain", &format!("E{code}")], |_| {});
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said:?}");
        for line in said.stdout.lines() {
            assert!(line.chars().count() <= COLUMNS, "{}: {line:?}", said.line);
        }
        compare("explain", &format!("E{code:02}"), &said.stdout);
    }
    assert_eq!(compared("explain").len(), 15);
    conversation("explain", &["explain E0", "explain E16", "explain seven"]);
}

#[test]
fn files_that_cannot_be_read_or_written() {
    conversation(
        "files",
        &[
            "net 00:03.0 send /nonexistent/frames.pcap",
            "net 00:03.0 send /dev/null",
            "display 00:03.0 show /nonexistent/photo.png",
            "display 00:03.0 show /dev/null",
            "man /dev/null/pages",
        ],
    );
}
