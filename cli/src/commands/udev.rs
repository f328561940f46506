//! `dirql udev install | remove | show`: whose the nodes of bound devices are, for good.

use dirql::host::{FileState, GROUP, Host, PermissionFile};
use serde_json::{Value, json};

use crate::args::UdevAction;
use crate::output::{Outcome, Output};

/// Changes the rules, or shows them.
pub fn udev(host: &Host, action: UdevAction, output: &mut Output) -> Outcome {
    let done = match action {
        UdevAction::Install => host.install_permissions()?,
        UdevAction::Remove => host.remove_permissions()?,
        UdevAction::Show => return show(&host.permission_files(), output),
    };
    if output.is_json() {
        return output.document(&json!({
            "done": done,
            "files": host.permission_files().iter().map(document).collect::<Vec<_>>(),
        }));
    }
    done.iter().try_for_each(|done| output.line(done))?;
    match action {
        UdevAction::Install => {
            output.note(format_args!(
                "who is to use bound devices: sudo usermod -aG {GROUP} USER, then log in again"
            ));
        }
        _ if done.is_empty() => output.note("there is nothing to remove"),
        _ => {}
    }
    Ok(())
}

fn show(files: &[PermissionFile], output: &mut Output) -> Outcome {
    if output.is_json() {
        return output.document(&files.iter().map(document).collect::<Vec<_>>());
    }
    let text: Vec<_> = files
        .iter()
        .map(|file| format!("# {}: {}\n{}", file.path.display(), state(file), file.text))
        .collect();
    output.text(&text.join("\n"))
}

fn state(file: &PermissionFile) -> &'static str {
    match file.state {
        FileState::Absent => "not installed",
        FileState::Installed => "installed",
        FileState::Different => "installed, with other contents",
        FileState::Foreign => "somebody else's file is there",
    }
}

fn document(file: &PermissionFile) -> Value {
    json!({ "path": file.path, "state": file.state, "text": file.text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_says_where_each_file_goes_and_what_is_there() {
        let root = tempfile::tempdir().unwrap();
        let files = Host::at(root.path()).permission_files();
        let documents: Vec<_> = files.iter().map(document).collect();
        assert_eq!(documents.len(), 4);
        for document in &documents {
            assert_eq!(document["state"], "absent");
            assert!(document["text"].as_str().unwrap().starts_with("# Written by dirql"), "{document}");
        }
        assert!(documents[0]["path"].as_str().unwrap().ends_with("etc/udev/rules.d/70-dirql.rules"));
    }
}
