//! `dirql man DIR`: the manual's pages, from the definition that the command itself has.

mod sections;

use std::fs;
use std::io;
use std::path::Path;

use clap::CommandFactory as _;
use clap_mangen::Man;
use dirql::Error;
use serde_json::json;

use self::sections::Text;
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
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut commands = Vec::new();
    collect(&command, "dirql", &mut commands);
    let names: Vec<_> = commands.iter().map(|(name, _)| name.clone()).collect();
    let page = |(name, command): (String, &clap::Command)| {
        Ok((format!("{name}.{SECTION}"), page(command, &name, &names)?))
    };
    commands.into_iter().map(page).collect()
}

fn collect<'a>(command: &'a clap::Command, name: &str, commands: &mut Vec<(String, &'a clap::Command)>) {
    commands.push((name.to_owned(), command));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        collect(sub, &format!("{name}-{}", sub.get_name()), commands);
    }
}

fn page(command: &clap::Command, name: &str, all: &[String]) -> io::Result<Vec<u8>> {
    // clap_mangen wants to own its names.
    let own = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let owned = own(name.to_owned());
    let usage = command.clone().render_usage().to_string();
    let below = command.get_after_long_help().or_else(|| command.get_after_help());
    let below = below.map(ToString::to_string).unwrap_or_default();
    let text = Text::read(&below);
    let heading = own(command.get_subcommand_help_heading().unwrap_or("Commands").to_uppercase());
    let command = command.clone().name(owned).display_name(owned).subcommand_help_heading(heading);
    let has_subcommands = command.has_subcommands();
    let man = Man::new(command)
        .title(name.to_uppercase())
        .section(SECTION)
        // clap_mangen leaves an empty date out, and what follows takes its place.
        .date(concat!("dirql ", env!("CARGO_PKG_VERSION")))
        .source("dirql")
        .manual("System Manager's Manual");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    sections::synopsis(&usage).to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    sections::paragraphs(&text.notes).to_writer(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_subcommands {
        man.render_subcommands_section(&mut page)?;
    }
    sections::exit_status(text.exit.as_deref()).to_writer(&mut page)?;
    if name == "dirql" {
        sections::surroundings().to_writer(&mut page)?;
    }
    sections::examples(&text.examples).to_writer(&mut page)?;
    sections::see_also(name, &below, all).to_writer(&mut page)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// The pages, without the marks of hyphens that are not to be broken.
    fn read() -> Vec<(String, String)> {
        let pages = pages().unwrap().into_iter();
        pages.map(|(name, page)| (name, String::from_utf8(page).unwrap().replace("\\-", "-"))).collect()
    }

    #[test]
    fn every_subcommand_has_a_page_with_all_of_its_options() {
        let pages = read();
        let page =
            |name: &str| &pages.iter().find(|(file, _)| file == name).unwrap_or_else(|| panic!("{name}")).1;
        for (name, words) in [
            ("dirql.8", &["bind", "doctor", "DDDD:BB:DD.F", "\\fB7\\fR", "NO_COLOR", "/run/dirql"][..]),
            ("dirql.8", &["dirql-net-tap(8)", "lspci(8)", "/etc/udev/rules.d/"]),
            ("dirql-bind.8", &["--owner", "--dry-run", "--force", "sudo dirql bind eth1", "--json"]),
            (
                "dirql-net-ping.8",
                &["--source", "--count", "dirql net 00:03.0 ping", "\\fBdirql\\fR \\fBnet\\fR \\fI<BDF>"],
            ),
        ] {
            let page = page(name);
            assert!(page.contains(&format!(".TH {}", name.trim_end_matches(".8").to_uppercase())), "{page}");
            for word in words {
                assert!(page.contains(word), "{name}: {word}\n{page}");
            }
        }
        assert!(pages.iter().all(|(name, _)| !name.contains("help") && !name.contains("man")));
    }

    #[test]
    fn every_page_has_its_sections_in_the_order_of_manuals() {
        for (name, page) in read() {
            let sections: Vec<_> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
            let order =
                ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "\"EXIT STATUS\"", "EXAMPLES", "\"SEE ALSO\""];
            let mut left = sections.iter();
            assert!(order.iter().all(|section| left.any(|of| of == section)), "{name}: {sections:?}");
            for section in ["ENVIRONMENT", "FILES", "COMMANDS"] {
                assert_eq!(sections.contains(&section), name == "dirql.8", "{name}: {sections:?}");
            }
            let empty = page.contains(".SH EXAMPLES\n.nf\n.fi") || page.ends_with(".SH \"SEE ALSO\"\n");
            assert!(!empty, "{name}: {page}");
        }
    }

    /// What formats manuals has nothing to say of ours, where it is installed.
    #[test]
    fn every_page_is_formatted_without_a_warning() {
        let directory = tempfile::tempdir().unwrap();
        man(directory.path(), &mut Output::kept(false)).unwrap();
        for file in std::fs::read_dir(directory.path()).unwrap() {
            let path = file.unwrap().path();
            let mut groff = Command::new("groff");
            groff.args(["-man", "-ww", "-Kutf8", "-Tutf8", "-z"]).arg(&path).stdin(Stdio::null());
            let said = match groff.output() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return,
                said => said.unwrap(),
            };
            let warnings = String::from_utf8_lossy(&said.stderr);
            assert!(said.status.success() && warnings.is_empty(), "{}: {warnings}", path.display());
        }
    }
}
