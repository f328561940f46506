//! A display in memory, for the tests of this command: it shows what it was told to, and remembers what that was.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dirql::class::display::{Canvas, Connector, Cursor, Display, Fence, Framebuffer, Mode, Rectangle};
use dirql::{Code, Error, ErrorKind, Result};

/// How it looks from outside, while a command uses it.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    /// Sizes of each connector's modes; none of a connector without a monitor.
    modes: Arc<Mutex<Vec<Sizes>>>,
    changed: Arc<Mutex<bool>>,
    screens: Arc<Mutex<BTreeMap<u32, Picture>>>,
}

/// The sizes of a monitor's modes.
type Sizes = Vec<(u32, u32)>;

/// What is seen on a connector.
pub type Picture = (u32, u32, Vec<u32>);

impl Outside {
    /// Plugs in a monitor with these modes instead, or none.
    pub fn plug(&self, connector: usize, modes: &[(u32, u32)]) {
        self.modes.lock().unwrap()[connector] = modes.to_vec();
        *self.changed.lock().unwrap() = true;
    }

    /// What is seen on a connector; `None` while that is nothing.
    pub fn see(&self, connector: u32) -> Option<Picture> {
        self.screens.lock().unwrap().get(&connector).cloned()
    }
}

/// The display.
#[derive(Debug, Default)]
pub struct Fake {
    pub outside: Outside,
    /// Pixels of all framebuffers together, at most.
    pub memory: Option<usize>,
    framebuffers: BTreeMap<u32, (u32, Vec<u32>)>,
    shown: BTreeMap<u32, u32>,
    next: u32,
    made: u64,
    passed: u64,
    /// Passes no fence any more.
    pub stuck: bool,
}

impl Fake {
    /// One connector, whose monitor has modes of these sizes.
    pub fn new(sizes: &[(u32, u32)]) -> Self {
        let fake = Self::default();
        *fake.outside.modes.lock().unwrap() = vec![sizes.to_vec()];
        fake
    }

    /// How many fences there were, and how many have passed.
    pub fn fences(&self) -> (u64, u64) {
        (self.made, self.passed)
    }

    /// How many framebuffers there are.
    pub fn framebuffers(&self) -> usize {
        self.framebuffers.len()
    }

    fn fence(&mut self) -> Fence {
        self.made += 1;
        Fence(self.made)
    }

    fn find(&mut self, framebuffer: &Framebuffer) -> Result<&mut (u32, Vec<u32>)> {
        let missing = || Error::new(ErrorKind::NotFound, "a fake framebuffer");
        self.framebuffers.get_mut(&framebuffer.id()).ok_or_else(missing)
    }
}

impl Display for Fake {
    fn connectors(&mut self) -> Result<Vec<Connector>> {
        *self.outside.changed.lock().unwrap() = false;
        let modes = self.outside.modes.lock().unwrap();
        let connector = |(number, sizes): (u32, &Vec<(u32, u32)>)| Connector {
            number,
            connected: !sizes.is_empty(),
            modes: sizes.iter().map(|&(width, height)| Mode { width, height, refresh: 0 }).collect(),
            edid: None,
        };
        Ok((0..).zip(modes.iter()).map(connector).collect())
    }

    fn wait_for_change(&mut self, timeout: Duration) -> Result<bool> {
        std::thread::sleep(timeout.min(Duration::from_millis(1)));
        Ok(*self.outside.changed.lock().unwrap())
    }

    fn create_framebuffer(&mut self, width: u32, height: u32) -> Result<Framebuffer> {
        let size = width as usize * height as usize;
        let used: usize = self.framebuffers.values().map(|(_, pixels)| pixels.len()).sum();
        if self.memory.is_some_and(|memory| used + size > memory) {
            return Err(Error::new(ErrorKind::Failure, "mapping of fake memory").code(Code::E9));
        }
        self.next += 1;
        self.framebuffers.insert(self.next, (width, vec![0; size]));
        Ok(Framebuffer::new(self.next, width, height))
    }

    fn destroy_framebuffer(&mut self, framebuffer: Framebuffer) -> Result<()> {
        if self.shown.values().any(|&shown| shown == framebuffer.id()) {
            return Err(Error::new(ErrorKind::Busy, "a fake framebuffer"));
        }
        self.framebuffers.remove(&framebuffer.id());
        Ok(())
    }

    fn draw(&mut self, framebuffer: &Framebuffer) -> Result<Canvas<'_>> {
        let (width, pixels) = self.find(framebuffer)?;
        Ok(Canvas::new(pixels, *width))
    }

    fn set_mode(&mut self, connector: u32, mode: &Mode, framebuffer: &Framebuffer) -> Result<Fence> {
        assert_eq!((mode.width, mode.height), (framebuffer.width(), framebuffer.height()));
        let black = vec![0; mode.width as usize * mode.height as usize];
        self.outside.screens.lock().unwrap().insert(connector, (mode.width, mode.height, black));
        self.page_flip(connector, framebuffer, &[Rectangle::whole(mode.width, mode.height)])
    }

    fn page_flip(
        &mut self,
        connector: u32,
        framebuffer: &Framebuffer,
        damage: &[Rectangle],
    ) -> Result<Fence> {
        let (width, mut pixels) = self.find(framebuffer)?.clone();
        let mut from = Canvas::new(&mut pixels, width);
        if let Some((width, _, screen)) = self.outside.screens.lock().unwrap().get_mut(&connector) {
            let mut to = Canvas::new(screen, *width);
            for &part in damage {
                to.lines(part).zip(from.lines(part)).for_each(|(to, from)| to.copy_from_slice(from));
            }
        }
        self.shown.insert(connector, framebuffer.id());
        Ok(self.fence())
    }

    fn wait(&mut self, fence: Fence, timeout: Duration) -> Result<bool> {
        if self.stuck {
            std::thread::sleep(timeout);
            return Ok(false);
        }
        assert!(fence.0 <= self.made);
        self.passed = self.passed.max(fence.0);
        Ok(true)
    }

    fn passed(&mut self) -> Result<Option<Fence>> {
        Ok((self.passed > 0).then_some(Fence(self.passed)))
    }

    fn disable(&mut self, connector: u32) -> Result<()> {
        self.shown.remove(&connector);
        self.outside.screens.lock().unwrap().remove(&connector);
        Ok(())
    }

    fn set_cursor(&mut self, _: u32, _: Option<&Cursor>) -> Result<()> {
        Err(Error::new(ErrorKind::Precondition, "a fake cursor"))
    }

    fn move_cursor(&mut self, _: u32, _: u32, _: u32) -> Result<()> {
        Err(Error::new(ErrorKind::Precondition, "a fake cursor"))
    }
}
