//! Displays: what the kernel's console or a program draws on.

use super::super::{Host, files};
use super::{Child, Use};

/// The framebuffer that carries the console unless it was moved by hand.
const CONSOLE: &str = "fb0";

impl Host {
    pub(super) fn framebuffer_in_use(&self, child: &Child, uses: &mut Vec<Use>) {
        if child.name != CONSOLE {
            return;
        }
        let consoles = self.sys.join("class/vtconsole");
        let draws = |name: &String| {
            let path = consoles.join(name);
            files::number(path.join("bind")) == Some(1)
                && files::text(path.join("name")).is_some_and(|name| name.contains("frame buffer"))
        };
        if let Some(console) = files::names(&consoles).into_iter().find(draws) {
            let end = format!("echo 0 | sudo tee {}/bind", consoles.join(console).display());
            uses.push(Use::new("the kernel's console is on it (fb0)").ended_by(end));
        }
    }

    pub(super) fn card_in_use(&self, child: &Child, uses: &mut Vec<Use>) {
        let node = self.dev.join("dri").join(&child.name);
        if let Some(holders) = self.who_has(std::slice::from_ref(&node)).describe() {
            uses.push(Use::new(format!("its display {} is in use by {holders}", child.name)));
        }
    }
}
