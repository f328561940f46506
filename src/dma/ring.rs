//! Descriptor rings: each entry is the CPU's or the device's, and the memory that it points to goes along.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use super::Iova;
use super::buffer::{Descriptor, Dma};
use super::memory::Block;
use crate::core::Core;
use crate::{Error, ErrorKind, Result};

/// A ring of descriptors `D`, each with a companion `B` that it points to: a [`super::Lent`] buffer, mostly.
///
/// Entries are lent at the tail and come back at the head, in order. One entry always stays the CPU's, so that a full
/// ring is not taken for an empty one. The ring's own memory is the device's until the device is closed.
#[derive(Debug)]
pub struct Ring<D, B> {
    block: Block,
    companions: Vec<Option<B>>,
    head: u32,
    lent: u32,
    // The core keeps the block's memory.
    _core: Arc<Core>,
    _descriptor: PhantomData<D>,
}

impl<D: Descriptor, B> Ring<D, B> {
    pub(super) fn new(dma: &Dma, entries: u32) -> Result<Self> {
        let bytes = (entries as usize)
            .checked_mul(size_of::<D>())
            .filter(|_| entries >= 2 && size_of::<D>() > 0 && align_of::<D>() <= 4096);
        let bytes = bytes.ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "making of a descriptor ring").why(format!(
                "{entries} entries of {} bytes, aligned to {}, are no ring",
                size_of::<D>(),
                align_of::<D>()
            ))
        })?;
        let block = dma.block(bytes, 4096)?;
        let companions = (0..entries).map(|_| None).collect();
        Ok(Self { block, companions, head: 0, lent: 0, _core: dma.core.clone(), _descriptor: PhantomData })
    }

    /// Where the device finds the first descriptor.
    pub fn iova(&self) -> Iova {
        Iova(self.block.iova)
    }

    /// How many descriptors there are.
    pub fn entries(&self) -> u32 {
        self.companions.len() as u32
    }

    /// The ring's length in bytes.
    pub fn byte_len(&self) -> u32 {
        self.block.len as u32
    }

    /// How many more can be lent.
    #[inline]
    pub fn free(&self) -> u32 {
        self.entries() - 1 - self.lent
    }

    /// How many are the device's.
    #[inline]
    pub fn lent(&self) -> u32 {
        self.lent
    }

    /// The entry that will be lent next: what a doorbell is told.
    #[inline]
    pub fn tail(&self) -> u32 {
        self.wrap(self.head + self.lent)
    }

    #[inline]
    fn wrap(&self, index: u32) -> u32 {
        if index >= self.entries() { index - self.entries() } else { index }
    }

    /// Lends the next entry to the device. It looks there once the doorbell was rung.
    ///
    /// # Errors
    /// The companion, where the ring is full.
    #[inline]
    pub fn lend(&mut self, descriptor: D, companion: B) -> Result<(), B> {
        if self.free() == 0 {
            return Err(companion);
        }
        let tail = self.tail() as usize;
        self.block.store(tail, descriptor);
        self.companions[tail] = Some(companion);
        self.lent += 1;
        Ok(())
    }

    /// The `n`th lent entry, from the oldest on, as the device left it; `None` where fewer are lent.
    #[inline]
    pub fn peek(&self, n: u32) -> Option<D> {
        (n < self.lent).then(|| self.block.load(self.wrap(self.head + n) as usize))
    }

    /// Changes the entry that was lent last, before the device was told of it.
    #[inline]
    pub fn amend_last(&mut self, change: impl FnOnce(&mut D)) {
        if let Some(last) = self.lent.checked_sub(1) {
            let index = self.wrap(self.head + last) as usize;
            let mut descriptor = self.block.load(index);
            change(&mut descriptor);
            self.block.store(index, descriptor);
        }
    }

    /// Takes the oldest lent entry back if `done` holds for it.
    #[inline]
    pub fn reclaim_if(&mut self, done: impl FnOnce(&D) -> bool) -> Option<(D, B)> {
        let head = self.head as usize;
        if self.lent == 0 || !done(&self.block.load(head)) {
            return None;
        }
        // The rest of the descriptor, and the memory it points to, is read after the mark that it is done.
        fence(Ordering::Acquire);
        let descriptor = self.block.load(head);
        let companion = self.companions[head].take()?;
        self.head = self.wrap(self.head + 1);
        self.lent -= 1;
        Some((descriptor, companion))
    }

    /// Takes every lent entry back, oldest first, and starts again at entry 0. The device has been stopped.
    pub fn reclaim_all(&mut self) -> Vec<B> {
        let lent = std::mem::take(&mut self.lent);
        let head = std::mem::take(&mut self.head);
        let order = (head..head + lent).map(|index| self.wrap(index) as usize).collect::<Vec<_>>();
        order.into_iter().filter_map(|index| self.companions[index].take()).collect()
    }
}
