//! Cursors: a picture for each scanout, as a resource of its own.

use std::time::Instant;

use dirql::class::display::{CURSOR_SIZE, Cursor, Rectangle};
use dirql::{Error, ErrorKind, Result};

use super::channel::{Channel, TIMEOUT};
use super::command::{Command, CursorCommand, Format, Type};
use super::resource::Resource;
use super::scanout::Scanout;
use super::sections::{Part, Sections};

/// Shows a cursor on a scanout that there is, or hides it.
pub(super) fn set<S: Sections>(
    channel: &Channel<S>,
    number: u32,
    scanout: &mut Scanout,
    cursor: Option<&Cursor>,
) -> Result<()> {
    let Some(cursor) = cursor else {
        scanout.pointing = None;
        return update(channel, number, scanout, Type::UPDATE_CURSOR);
    };
    if cursor.hot_x >= CURSOR_SIZE || cursor.hot_y >= CURSOR_SIZE {
        return Err(Error::new(ErrorKind::InvalidArgument, "setting of a cursor").on(channel.address()).why(
            format!(
                "its hot spot at {}, {} is outside of {CURSOR_SIZE}x{CURSOR_SIZE} pixels",
                cursor.hot_x, cursor.hot_y
            ),
        ));
    }
    let mut resource = match scanout.cursor.take() {
        Some(resource) => resource,
        None => channel.create((CURSOR_SIZE, CURSOR_SIZE), Format::B8g8r8a8)?,
    };
    // The device has taken over what was there before.
    resource.backing.pixels().copy_from_slice(&cursor.pixels[..]);
    let id = resource.id;
    scanout.cursor = Some(resource);
    let part = Rectangle::whole(CURSOR_SIZE, CURSOR_SIZE);
    channel.ask(Command::TransferToHost2d { resource: id, part, offset: 0 })?;
    scanout.pointing = Some((cursor.hot_x, cursor.hot_y));
    update(channel, number, scanout, Type::UPDATE_CURSOR)
}

/// Tells the device where the cursor of a scanout is, where one is to be seen.
pub(super) fn moved<S: Sections>(channel: &Channel<S>, number: u32, scanout: &Scanout) -> Result<()> {
    if scanout.pointing.is_none() {
        return Ok(());
    }
    update(channel, number, scanout, Type::MOVE_CURSOR)
}

fn update<S: Sections>(channel: &Channel<S>, number: u32, scanout: &Scanout, kind: Type) -> Result<()> {
    let picture = scanout.cursor.as_ref().filter(|_| scanout.pointing.is_some());
    let command = CursorCommand {
        kind,
        scanout: number,
        at: scanout.corner(),
        resource: picture.map_or(0, |Resource { id, .. }| *id),
        hot: scanout.pointing.unwrap_or_default(),
    };
    // A picture is there when this returns; where it moves to, soon after.
    let wait_for_end = kind == Type::UPDATE_CURSOR;
    let mut given = false;
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let done = channel.section(Part::Cursor, |state| {
            let pointer = state.pointer()?;
            while !given {
                given = pointer.give(&command, wait_for_end)?;
                // Wherever one more is done, there is room.
                if !given && !pointer.is_done(pointer.outstanding().saturating_sub(1))? {
                    return Ok(false);
                }
            }
            if wait_for_end { pointer.is_done(0) } else { Ok(true) }
        })?;
        let left = deadline.saturating_duration_since(Instant::now());
        if done {
            return Ok(());
        }
        if left.is_zero() {
            let why = format!("the device is not done with a command within {} s", TIMEOUT.as_secs());
            let error = Error::new(ErrorKind::Device, "wait for the cursor queue").why(why);
            return Err(channel.foundation.device.explain_silence(error, ""));
        }
        channel.foundation.signals.pointed.wait_all(left);
    }
}
