//! The device itself: registers, memory, and what follows from them.

use std::fmt;
use std::sync::Arc;

use super::edid;
use super::picture::Picture;
use crate::register::{
    ATTRIBUTE, ATTRIBUTE_ON, BPP, ENABLE, ENABLED, GETCAPS, ID, INPUT_STATUS_1, LITTLE_ENDIAN, NOCLEARMEM,
    QEXT_BYTEORDER, QEXT_SIZE, VIDEO_MEMORY_64K, VIRT_WIDTH, X_OFFSET, XRES, Y_OFFSET, YRES,
};

/// The registers that hold what is written: from XRES to Y_OFFSET.
const KEPT: usize = 10;
/// What a VGA shows at most.
const LARGEST: (u16, u16) = (16000, 12000);

/// Is told the BAR and the offset of every write.
pub type OnWrite = Arc<dyn Fn(u8, u64) + Send + Sync>;

/// The device.
pub struct Core {
    is_vga: bool,
    pub id: u16,
    pub edid: Option<[u8; 128]>,
    pub memory: Vec<u8>,
    pub deaf_at: Option<u64>,
    pub on_write: Option<OnWrite>,
    registers: [u16; KEPT],
    byte_order: u32,
    attribute: u8,
    /// The next write to ATTRIBUTE is an index.
    attribute_index: bool,
    /// What Y_OFFSET was set to while a picture was shown.
    pub flips: Vec<u16>,
    /// Bytes that were written to where a picture was shown from.
    pub torn: usize,
    /// Bytes of memory that were written.
    pub written: usize,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("registers", &self.registers).finish_non_exhaustive()
    }
}

/// Where the picture is.
struct Scanned {
    width: usize,
    height: usize,
    stride: usize,
    offset: usize,
}

impl Core {
    /// Bytes of video memory, unless told otherwise.
    pub const MEMORY: usize = 16 << 20;

    pub fn new(is_vga: bool) -> Self {
        Self {
            is_vga,
            id: 0xb0c5,
            edid: Some(edid::block()),
            // Of somebody else.
            memory: vec![0x77; Self::MEMORY],
            deaf_at: None,
            on_write: None,
            registers: [0; KEPT],
            byte_order: 0,
            attribute: 0,
            attribute_index: false,
            flips: Vec::new(),
            torn: 0,
            written: 0,
        }
    }

    pub fn leave_running(&mut self) {
        for (register, value) in
            [(XRES, 800), (YRES, 600), (BPP, 32), (VIRT_WIDTH, 800), (Y_OFFSET, 1234), (ENABLE, ENABLED)]
        {
            self.registers[index(register.offset())] = value;
        }
    }

    fn get(&self, register: dirql::region::Register<u16>) -> usize {
        self.registers[index(register.offset())].into()
    }

    /// What a register holds, without the effects of reading it.
    pub fn peek(&self, offset: u64) -> u16 {
        let caps = self.is_vga && self.get(ENABLE) & usize::from(GETCAPS) != 0;
        match offset {
            _ if ID.is_at(offset) => self.id,
            _ if VIDEO_MEMORY_64K.is_at(offset) => (self.memory.len() >> 16) as u16,
            _ if caps && XRES.is_at(offset) => LARGEST.0,
            _ if caps && YRES.is_at(offset) => LARGEST.1,
            _ => self.registers.get(index(offset)).copied().unwrap_or(u16::MAX),
        }
    }

    pub fn read(&mut self, offset: u64, data: &mut [u8]) {
        match (offset, data.len()) {
            (0x500..0x516, 2) => data.copy_from_slice(&self.peek(offset).to_le_bytes()),
            (_, 4) if QEXT_SIZE.is_at(offset) => data.copy_from_slice(&8_u32.to_le_bytes()),
            (_, 4) if QEXT_BYTEORDER.is_at(offset) => data.copy_from_slice(&self.byte_order.to_le_bytes()),
            (_, 1) if self.is_vga && INPUT_STATUS_1.is_at(offset) => self.attribute_index = true,
            (0..0x400, 1) => {
                data[0] = self.edid.and_then(|edid| edid.get(offset as usize).copied()).unwrap_or(0)
            }
            _ => data.fill(0xff),
        }
    }

    pub fn write(&mut self, offset: u64, data: &[u8]) {
        if self.deaf_at == Some(offset) {
            return;
        }
        match (offset, data) {
            (0x502..0x514, &[low, high]) => self.write_dispi(offset, u16::from_le_bytes([low, high])),
            (_, &[one, two, three, four]) if QEXT_BYTEORDER.is_at(offset) => {
                self.byte_order = u32::from_le_bytes([one, two, three, four]);
            }
            (_, &[value]) if self.is_vga && ATTRIBUTE.is_at(offset) => {
                if self.attribute_index {
                    self.attribute = value;
                }
                self.attribute_index = !self.attribute_index;
            }
            _ => {}
        }
    }

    fn write_dispi(&mut self, offset: u64, value: u16) {
        let enable = index(ENABLE.offset());
        let was_on = self.registers[enable] & ENABLED != 0;
        if Y_OFFSET.is_at(offset) && was_on {
            self.flips.push(value);
        }
        self.registers[index(offset)] = value;
        if !self.is_vga || self.registers[enable] & ENABLED == 0 {
            return;
        }
        if ENABLE.is_at(offset) && !was_on {
            for register in [VIRT_WIDTH, X_OFFSET, Y_OFFSET] {
                self.registers[index(register.offset())] = 0;
            }
        }
        self.round();
        if ENABLE.is_at(offset) && !was_on && value & NOCLEARMEM == 0 {
            let len = self.get(YRES) * self.get(VIRT_WIDTH) * 4;
            self.memory[..len].fill(0);
        }
    }

    /// What a VGA makes of values that it does not like.
    fn round(&mut self) {
        let [width, height, _, _, _, virtual_width, virtual_height, x, y] = &mut self.registers[1..] else {
            return;
        };
        *width = (*width & !7).clamp(8, LARGEST.0);
        *virtual_width = (*virtual_width & !7).clamp(*width, LARGEST.0);
        let stride = usize::from(*virtual_width) * 4;
        let lines = self.memory.len() / stride;
        *height = (*height).clamp(1, LARGEST.1).min(lines.min(usize::from(u16::MAX)) as u16);
        (*x, *y) = ((*x).min(LARGEST.0), (*y).min(LARGEST.1));
        if usize::from(*x) * 4 + usize::from(*y) * stride + usize::from(*height) * stride > self.memory.len()
        {
            *y = 0;
        }
        *virtual_height = lines as u16;
    }

    fn scanned(&self) -> Option<Scanned> {
        let (width, height) = (self.get(XRES), self.get(YRES));
        let stride = self.get(VIRT_WIDTH).max(width) * 4;
        let offset = self.get(X_OFFSET) * 4 + self.get(Y_OFFSET) * stride;
        let is_on = self.get(ENABLE) & usize::from(ENABLED) != 0
            && self.get(BPP) == 32
            && width >= 64
            && height >= 64
            && offset + stride * height <= self.memory.len();
        is_on.then_some(Scanned { width, height, stride, offset })
    }

    /// What is shown; `None` while nothing is.
    pub fn picture(&self) -> Option<Picture> {
        let Scanned { width, height, stride, offset } = self.scanned()?;
        if self.is_vga && self.attribute & ATTRIBUTE_ON == 0 {
            return None;
        }
        let from_bytes =
            if self.byte_order == LITTLE_ENDIAN { u32::from_le_bytes } else { u32::from_be_bytes };
        let lines = self.memory[offset..].chunks(stride).take(height);
        let pixels = lines
            .flat_map(|line| line.as_chunks().0.iter().take(width))
            .map(|&bytes| from_bytes(bytes) & 0xff_ffff)
            .collect();
        Some(Picture { width: width as u32, height: height as u32, pixels })
    }

    pub fn read_memory(&self, offset: u64, data: &mut [u8]) {
        let bytes = self.memory.iter().skip(offset as usize).chain(std::iter::repeat(&0xff));
        data.iter_mut().zip(bytes).for_each(|(byte, of_memory)| *byte = *of_memory);
    }

    pub fn write_memory(&mut self, offset: u64, data: &[u8]) {
        let start = offset as usize;
        self.written += data.len();
        if let Some(Scanned { height, stride, offset, .. }) = self.scanned() {
            let shown = offset..offset + stride * height;
            let overlap = shown.end.min(start + data.len()).saturating_sub(shown.start.max(start));
            self.torn += overlap;
        }
        self.memory.iter_mut().skip(start).zip(data).for_each(|(byte, of_data)| *byte = *of_data);
    }
}

/// A DISPI register's number; beyond all where there is none.
fn index(offset: u64) -> usize {
    offset.checked_sub(ID.offset()).map_or(usize::MAX, |bytes| bytes as usize / 2)
}
