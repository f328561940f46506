//! The commands: all that the definition has, and how each is typed here.

use clap::CommandFactory as _;

use crate::args::Cli;
use crate::run::Said;

/// An address that no machine has.
pub const NOWHERE: &str = "fffe:ff:1f.7";

/// A command of the definition.
#[derive(Debug)]
pub struct Node {
    /// Its words, as `net ping`; none for `dirql` itself.
    pub words: String,
    /// What is typed to reach it: `net 00:03.0 ping`.
    pub typed: Vec<String>,
    /// What its help says below the options.
    pub notes: String,
}

/// Every command of the definition, with those below it.
pub fn commands() -> Vec<Node> {
    let mut nodes = Vec::new();
    walk(&Cli::command(), &[], &[], &mut nodes);
    nodes
}

fn walk(command: &clap::Command, words: &[String], typed: &[String], nodes: &mut Vec<Node>) {
    let notes = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    nodes.push(Node { words: words.join(" "), typed: typed.to_vec(), notes });
    let devices = command.get_positionals().map(|_| "00:03.0".to_owned());
    let typed: Vec<_> = typed.iter().cloned().chain(devices).collect();
    for sub in command.get_subcommands() {
        let with = |before: &[String]| [before, &[sub.get_name().to_owned()]].concat();
        walk(sub, &with(words), &with(&typed), nodes);
    }
}

/// A command as it is typed on a machine without a device for it.
pub struct Row {
    /// Its words.
    pub command: &'static str,
    /// What is typed.
    pub line: &'static str,
    /// The exit codes that may come of it.
    pub codes: &'static [i32],
}

impl Row {
    /// Runs it with these words more.
    pub fn run(&self, more: &[&str]) -> Said {
        self.run_in(more, |_| {})
    }

    /// Runs it, prepared so.
    pub fn run_in(&self, more: &[&str], prepare: impl FnOnce(&mut std::process::Command)) -> Said {
        let directory = tempfile::tempdir().unwrap();
        let words = self.line.split(' ').filter(|word| !word.is_empty());
        let words: Vec<_> = words.chain(more.iter().copied()).collect();
        Said::of(&words, |command| prepare(command.current_dir(&directory)))
    }

    /// Whether it succeeds on every machine.
    pub fn works(&self) -> bool {
        self.codes == [0]
    }
}

const fn row(command: &'static str, line: &'static str, codes: &'static [i32]) -> Row {
    Row { command, line, codes }
}

/// How every command is typed here. What needs a device is given one that is not there; a file is not reached.
pub const ROWS: &[Row] = &[
    row("", "", &[2]),
    row("list", "list", &[0]),
    row("info", "info fffe:ff:1f.7", &[6]),
    row("doctor", "doctor", &[0, 3]),
    row("bind", "bind fffe:ff:1f.7 --owner 0", &[6]),
    row("restore", "restore fffe:ff:1f.7", &[6]),
    row("unbind", "unbind fffe:ff:1f.7", &[6]),
    row("run", "run fffe:ff:1f.7", &[6]),
    row("irqs", "irqs fffe:ff:1f.7", &[6]),
    row("trace", "trace fffe:ff:1f.7 -o trace.json", &[6]),
    row("stats", "stats fffe:ff:1f.7", &[6]),
    row("selftest", "selftest fffe:ff:1f.7", &[6]),
    row("regs", "regs fffe:ff:1f.7 0", &[6]),
    row("config", "config fffe:ff:1f.7", &[6]),
    row("reset", "reset fffe:ff:1f.7", &[6]),
    row("net", "net fffe:ff:1f.7", &[2]),
    row("net ping", "net fffe:ff:1f.7 ping 10.0.2.2", &[6]),
    row("net send", "net fffe:ff:1f.7 send frames.pcap", &[6]),
    row("net pcap", "net fffe:ff:1f.7 pcap frames.pcap", &[6]),
    row("net tap", "net fffe:ff:1f.7 tap dirql0", &[6]),
    row("net bench", "net fffe:ff:1f.7 bench tx", &[6]),
    row("display", "display fffe:ff:1f.7", &[2]),
    row("display modes", "display fffe:ff:1f.7 modes", &[6]),
    row("display pattern", "display fffe:ff:1f.7 pattern", &[6]),
    row("display show", "display fffe:ff:1f.7 show photo.png", &[6]),
    row("display clear", "display fffe:ff:1f.7 clear", &[6]),
    row("display bench", "display fffe:ff:1f.7 bench", &[6]),
    row("random", "random fffe:ff:1f.7 --bytes 4 -o seed", &[6]),
    row("udev", "udev show", &[0]),
    row("completions", "completions bash", &[0]),
    row("man", "man pages", &[0]),
    row("explain", "explain E7", &[0]),
];

#[test]
fn every_command_is_typed_here() {
    let mut defined: Vec<_> = commands().into_iter().map(|node| node.words).collect();
    let mut typed: Vec<_> = ROWS.iter().map(|row| row.command.to_owned()).collect();
    defined.sort();
    typed.sort();
    assert_eq!(typed, defined, "a row is missing, or one too many");
    for row in ROWS {
        let words: Vec<_> = row.line.split(' ').collect();
        let mut left = words.iter();
        assert!(
            row.command.split(' ').all(|word| left.any(|of| *of == word)),
            "{}: {}",
            row.command,
            row.line
        );
        assert!(!words.contains(&NOWHERE) || row.codes == [6] || row.codes == [2], "{}", row.line);
    }
}
