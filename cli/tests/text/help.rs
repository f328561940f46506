//! The help of every command, as it reads.

use crate::run::Said;
use crate::tree::commands;

/// The longest line that a terminal shows in one piece.
pub const COLUMNS: usize = 80;

/// Looks at a text beside that of the file `snapshots/DIRECTORY/NAME.snap`.
pub fn compare(directory: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("snapshots/{directory}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The files that are compared in a directory, in order.
pub fn compared(directory: &str) -> Vec<String> {
    let path = format!("{}/tests/text/snapshots/{directory}", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(path).unwrap().map(|file| file.unwrap().file_name());
    let mut names: Vec<_> = files.map(|name| name.into_string().unwrap().replace(".snap", "")).collect();
    names.sort();
    names
}

fn name(words: &str) -> String {
    if words.is_empty() { "dirql".into() } else { words.replace(' ', "-") }
}

#[test]
fn every_help_reads_so() {
    let commands = commands();
    for node in &commands {
        let said = Said::of(&[&node.typed[..], &["--help".into()]].concat(), |_| {});
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said:?}");
        for line in said.stdout.lines() {
            assert!(line.chars().count() <= COLUMNS, "{}: {line:?}", said.line);
        }
        let examples = said.stdout.lines().any(|line| line == "Examples:" || line == "Example:");
        assert!(examples, "{} has no examples:\n{}", said.line, said.stdout);
        // What is too long would be wrapped, and could not be pasted.
        assert!(said.stdout.contains(&node.notes), "{} wraps\n{}", said.line, node.notes);
        compare("help", &name(&node.words), &said.stdout);
    }
    let mut names: Vec<_> = commands.iter().map(|node| name(&node.words)).collect();
    names.sort();
    assert_eq!(compared("help"), names, "a file is of no command");
}

/// A page for each command but for those that are not told of.
#[test]
fn every_command_has_a_page_of_the_manual() {
    let directory = tempfile::tempdir().unwrap();
    let said = Said::of(&["man", directory.path().to_str().unwrap()], |_| {});
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said:?}");
    let mut pages: Vec<_> =
        std::fs::read_dir(&directory).unwrap().map(|file| file.unwrap().file_name()).collect();
    pages.sort();
    let pages: Vec<_> = pages.into_iter().map(|name| name.into_string().unwrap()).collect();
    assert_eq!(said.stdout.lines().count(), pages.len(), "{said:?}");
    assert_eq!(pages.len(), commands().iter().filter(|node| node.words != "man").count());
    compare("manual", "pages", &pages.join("\n"));
}

/// What stands below the examples is taken by the parser, word for word.
#[test]
fn every_example_can_be_typed() {
    let mut examples = 0;
    for node in commands() {
        let said = Said::of(&[&node.typed[..], &["--help".into()]].concat(), |_| {});
        let lines = said.stdout.lines().skip_while(|line| !line.starts_with("Example"));
        for line in lines.skip(1).take_while(|line| !line.is_empty()) {
            for words in typed(line) {
                let read = <crate::args::Cli as clap::Parser>::try_parse_from(&words);
                let said_by = read.err().filter(clap::Error::use_stderr);
                assert!(said_by.is_none(), "{}: {line}\n{said_by:?}", said.line);
                examples += 1;
            }
        }
    }
    assert!(examples > 40, "{examples}");
}

/// The words of each `dirql` in a line of the shell; of users and groups, those that every machine has.
fn typed(line: &str) -> Vec<Vec<String>> {
    let commands = line.split("&&").flat_map(|part| part.split('|'));
    let dirql = commands.filter_map(|part| {
        let words = part.trim().trim_start_matches("sudo ");
        // Two spaces are before what is said of it.
        let words = words.split("  ").next().filter(|words| words.starts_with("dirql "))?;
        let words = words.split(" > ").next().unwrap_or_default().split(" # ").next().unwrap_or_default();
        Some(words.split(' ').map(|word| word.replace("$USER", "0").replace(":vfio", ":0")).collect())
    });
    dirql.collect()
}
