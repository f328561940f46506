//! What a framebuffer is made of: pixels to draw into, those that the display has taken over, and pages in video memory.
//!
//! A framebuffer that is shown may be flipped to again: then its second page is written, and shown instead. A page that was
//! not written for some flips lacks what they took over, and gets it when it is written next.

use dirql::Result;
use dirql::class::display::{Canvas, Rectangle};
use dirql::region::Bar;

use crate::damage::Damage;
use crate::limits::PIXEL;

/// A framebuffer's pixels.
#[derive(Debug)]
pub struct Surface {
    width: u32,
    height: u32,
    drawn: Vec<u32>,
    taken: Vec<u32>,
    /// One or two.
    pages: Vec<Page>,
}

/// Its place in video memory.
#[derive(Debug)]
struct Page {
    offset: u64,
    /// What it lacks.
    stale: Damage,
}

impl Surface {
    /// A black one, with a page from `offset` on.
    pub fn new(width: u32, height: u32, offset: u64) -> Self {
        let black = vec![0; width as usize * height as usize];
        let mut surface = Self { width, height, drawn: black.clone(), taken: black, pages: Vec::new() };
        surface.add_page(offset);
        surface
    }

    /// Whether it is of this size.
    pub fn is(&self, width: u32, height: u32) -> bool {
        (self.width, self.height) == (width, height)
    }

    /// The pixels to draw into.
    pub fn canvas(&mut self) -> Canvas<'_> {
        Canvas::new(&mut self.drawn, self.width)
    }

    /// Where its pages are.
    pub fn pages(&self) -> impl Iterator<Item = u64> {
        self.pages.iter().map(|page| page.offset)
    }

    /// Has another page, in which nothing of it is yet.
    pub fn add_page(&mut self, offset: u64) {
        self.pages.push(Page { offset, stale: Damage::whole(self.width, self.height) });
    }

    /// Gives up a page that is not `shown`, where it has two. Where it was.
    pub fn give_up_page(&mut self, shown: Option<u64>) -> Option<u64> {
        if self.pages.len() < 2 {
            return None;
        }
        let spare = self.pages.iter().position(|page| Some(page.offset) != shown)?;
        Some(self.pages.remove(spare).offset)
    }

    /// Takes over what was drawn in these parts.
    pub fn take_over(&mut self, damage: &[Rectangle]) {
        for part in damage.iter().filter_map(|part| part.within(self.width, self.height)) {
            let mut drawn = Canvas::new(&mut self.drawn, self.width);
            let mut taken = Canvas::new(&mut self.taken, self.width);
            taken.lines(part).zip(drawn.lines(part)).for_each(|(taken, drawn)| taken.copy_from_slice(drawn));
            self.pages.iter_mut().for_each(|page| page.stale.add(part));
        }
    }

    /// Writes to the page that begins at `offset` what it lacks of what was taken over.
    ///
    /// # Errors
    /// Where the device is gone.
    pub fn write(&mut self, offset: u64, memory: &Bar) -> Result<()> {
        let width = self.width as usize;
        for page in self.pages.iter_mut().filter(|page| page.offset == offset) {
            for part in page.stale.parts() {
                let Rectangle { x, y, width: columns, height } = *part;
                // Whole lines lie one behind the other.
                let (runs, len) = match columns == self.width {
                    true => (1, width * height as usize),
                    false => (height as usize, columns as usize),
                };
                let first = y as usize * width + x as usize;
                for start in (first..).step_by(width).take(runs) {
                    memory.write_words(offset + start as u64 * PIXEL, &self.taken[start..start + len])?;
                }
            }
            page.stale.clear();
        }
        Ok(())
    }
}
