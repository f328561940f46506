//! The steps, one by one.

use std::collections::BTreeMap;
use std::str::FromStr;

use dirql::Result;
use dirql::class::display::{CURSOR_SIZE, Cursor, Display, Fence, Framebuffer, Mode, Rectangle};
use dirql_patterns::noise;

use super::flips;
use super::head::{Head, PATIENCE, pass, wrong};
use super::pause::pause;

/// A display on its way through the steps.
pub struct Steps<'d> {
    pub display: &'d mut dyn Display,
    heads: BTreeMap<u32, Head>,
}

impl<'d> Steps<'d> {
    pub fn new(display: &'d mut dyn Display) -> Self {
        Self { display, heads: BTreeMap::new() }
    }

    /// Takes a step, and waits until the device has done what it asks for.
    pub fn take(&mut self, step: &str) -> Result<()> {
        let parts: Vec<&str> = step.split(':').collect();
        match parts[..] {
            ["set", connector, size, seed] => self.set(number(connector)?, size, number(seed)?),
            ["flip", connector, seed] => self.flip(number(connector)?, number(seed)?),
            ["damage", connector, part, seed] => {
                self.damage(number(connector)?, rectangle(part)?, number(seed)?)
            }
            ["cursor", connector, place, hot, seed] => {
                self.cursor(number(connector)?, pair(place)?, pair(hot)?, number(seed)?)
            }
            ["move", connector, place] => {
                let (x, y) = pair(place)?;
                self.display.move_cursor(number(connector)?, x, y)
            }
            ["hide", connector] => self.display.set_cursor(number(connector)?, None),
            ["flips", connector, count] => {
                let head = head(&mut self.heads, number(connector)?)?;
                flips::flips(self.display, number(connector)?, head, number(count)?)
            }
            ["off", connector] => self.off(number(connector)?),
            ["connectors"] => self.connectors(),
            ["change"] => self.change(),
            ["pause", file] => pause(file),
            _ => Err(wrong(format!("{step} is none"))),
        }
        .inspect_err(|_| eprintln!("in step {step}"))
    }

    fn set(&mut self, connector: u32, size: &str, seed: u64) -> Result<()> {
        let mode = match size {
            "preferred" => self.preferred(connector)?,
            size => {
                let (width, height) =
                    size.split_once('x').ok_or_else(|| wrong(format!("{size} is no size")))?;
                Mode { width: number(width)?, height: number(height)?, refresh: 0 }
            }
        };
        let make = |display: &mut dyn Display| display.create_framebuffer(mode.width, mode.height);
        let pair = [make(self.display)?, make(self.display)?];
        fill(self.display, &pair[0], seed)?;
        let fence = self.display.set_mode(connector, &mode, &pair[0])?;
        self.pass(fence)?;
        if let Some(before) = self.heads.insert(connector, Head { mode, pair, shown: 0 }) {
            before.pair.into_iter().try_for_each(|old| self.display.destroy_framebuffer(old))?;
        }
        Ok(())
    }

    fn preferred(&mut self, connector: u32) -> Result<Mode> {
        let connectors = self.display.connectors()?;
        let found = connectors.iter().find(|found| found.number == connector);
        let none = || wrong(format!("connector {connector} prefers no mode: {connectors:?}"));
        found.and_then(|found| found.preferred()).copied().ok_or_else(none)
    }

    fn flip(&mut self, connector: u32, seed: u64) -> Result<()> {
        let head = head(&mut self.heads, connector)?;
        head.shown = 1 - head.shown;
        let next = &head.pair[head.shown];
        fill(self.display, next, seed)?;
        let whole = Rectangle::whole(next.width(), next.height());
        let fence = self.display.page_flip(connector, next, &[whole])?;
        self.pass(fence)
    }

    fn damage(&mut self, connector: u32, part: Rectangle, seed: u64) -> Result<()> {
        let head = head(&mut self.heads, connector)?;
        let shown = &head.pair[head.shown];
        fill(self.display, shown, seed)?;
        let fence = self.display.page_flip(connector, shown, &[part])?;
        self.pass(fence)
    }

    fn cursor(&mut self, connector: u32, place: (u32, u32), hot: (u32, u32), seed: u64) -> Result<()> {
        let mut pixels = Box::new([0; (CURSOR_SIZE * CURSOR_SIZE) as usize]);
        for (index, (pixel, noise)) in (0..).zip(pixels.iter_mut().zip(noise(seed))) {
            *pixel = (index & 0xff) << 24 | noise;
        }
        self.display.move_cursor(connector, place.0, place.1)?;
        self.display.set_cursor(connector, Some(&Cursor { pixels, hot_x: hot.0, hot_y: hot.1 }))
    }

    fn off(&mut self, connector: u32) -> Result<()> {
        self.display.disable(connector)?;
        let pair = self.heads.remove(&connector).map(|head| head.pair);
        pair.into_iter().flatten().try_for_each(|framebuffer| self.display.destroy_framebuffer(framebuffer))
    }

    fn connectors(&mut self) -> Result<()> {
        let connectors = self.display.connectors()?;
        let text = serde_json::to_string(&connectors).map_err(|error| wrong(error.to_string()))?;
        println!("{text}");
        Ok(())
    }

    fn change(&mut self) -> Result<()> {
        match self.display.wait_for_change(PATIENCE)? {
            true => Ok(()),
            false => Err(wrong("nothing has changed".into())),
        }
    }

    fn pass(&mut self, fence: Fence) -> Result<()> {
        pass(self.display, fence)
    }
}

/// Fills a framebuffer with noise.
pub fn fill(display: &mut dyn Display, framebuffer: &Framebuffer, seed: u64) -> Result<()> {
    let mut canvas = display.draw(framebuffer)?;
    canvas.pixels().iter_mut().zip(noise(seed)).for_each(|(pixel, noise)| *pixel = noise);
    Ok(())
}

fn head(heads: &mut BTreeMap<u32, Head>, connector: u32) -> Result<&mut Head> {
    heads.get_mut(&connector).ok_or_else(|| wrong(format!("connector {connector} shows nothing")))
}

fn number<T: FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| wrong(format!("{text} is no number")))
}

/// `X,Y`.
fn pair(text: &str) -> Result<(u32, u32)> {
    let (x, y) = text.split_once(',').ok_or_else(|| wrong(format!("{text} is no place")))?;
    Ok((number(x)?, number(y)?))
}

/// `X,Y,WxH`.
fn rectangle(text: &str) -> Result<Rectangle> {
    let no = || wrong(format!("{text} is no rectangle"));
    let (place, size) = text.rsplit_once(',').ok_or_else(no)?;
    let ((x, y), (width, height)) = (pair(place)?, size.split_once('x').ok_or_else(no)?);
    Ok(Rectangle { x, y, width: number(width)?, height: number(height)? })
}
