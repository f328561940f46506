//! `dirql man DIR`: the manual's pages, from the definition that the command itself has.

use std::fs;
use std::io;
use std::path::Path;

use clap::CommandFactory as _;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use dirql::Error;
use serde_json::json;

use crate::args::Cli;
use crate::output::{Outcome, Output};

/// System administration.
const SECTION: &str = "8";

/// Writes a page for the command and one for each of its subcommands.
pub fn man(directory: &Path, output: &mut Output) -> Outcome {
    let failed = |error: io::Error, path: &Path| Error::io(&error, "writing of the manual").path(path);
    fs::create_dir_all(directory).map_err(|error| failed(error, directory))?;
    let mut written = Vec::new();
    for (name, page) in pages().map_err(|error| failed(error, directory))? {
        let path = directory.join(name);
        fs::write(&path, page).map_err(|error| failed(error, &path))?;
        written.push(path);
    }
    if output.is_json() {
        return output.document(&json!({ "written": written }));
    }
    written.iter().try_for_each(|path| output.line(path.display()))
}

/// Each page, with its file's name.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut pages = Vec::new();
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    collect(&command, "dirql", &mut pages)?;
    Ok(pages)
}

fn collect(command: &clap::Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    pages.push((format!("{name}.{SECTION}"), page(command, name)?));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        collect(sub, &format!("{name}-{}", sub.get_name()), pages)?;
    }
    Ok(())
}

fn page(command: &clap::Command, name: &str) -> io::Result<Vec<u8>> {
    // clap_mangen wants to own its names.
    let owned: &'static str = Box::leak(name.to_owned().into_boxed_str());
    let command = command.clone().name(owned).display_name(owned);
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .section(SECTION)
        .source(concat!("dirql ", env!("CARGO_PKG_VERSION")))
        .manual("dirql");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(text) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        notes(&text.to_string()).to_writer(&mut page)?;
    }
    Ok(page)
}

/// What stands below the options, line by line as it is typed.
fn notes(text: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["NOTES"]);
    roff.control("nf", []);
    for line in text.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subcommand_has_a_page_with_all_of_its_options() {
        let pages = pages().unwrap();
        let page = |name: &str| {
            let (_, page) = pages.iter().find(|(file, _)| file == name).unwrap_or_else(|| panic!("{name}"));
            // Hyphens that are not to be broken are escaped.
            String::from_utf8(page.clone()).unwrap().replace("\\-", "-")
        };
        for (name, words) in [
            ("dirql.8", &["bind", "doctor", "Exit codes", "DDDD:BB:DD.F"][..]),
            ("dirql-bind.8", &["--owner", "--dry-run", "--force", "sudo dirql bind eth1", "--json"]),
            ("dirql-net-ping.8", &["--source", "--count", "dirql net 00:03.0 ping"]),
        ] {
            let page = page(name);
            assert!(page.contains(&format!(".TH {}", name.trim_end_matches(".8").to_uppercase())), "{page}");
            for word in words {
                assert!(page.contains(word), "{name}: {word}\n{page}");
            }
        }
        assert!(pages.iter().all(|(name, _)| !name.contains("help") && !name.contains("man")));
    }
}
