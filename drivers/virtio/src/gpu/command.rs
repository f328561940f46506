//! Commands and responses, as they lie in memory, and by their specified names.
//!
//! Source: VIRTIO 1.2, 5.7.6.7 to 5.7.6.9.

use dirql::Iova;
use dirql::class::display::Rectangle;
use dirql::zerocopy::little_endian::{U32, U64};
use dirql::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The most scanouts that a device has.
pub const VIRTIO_GPU_MAX_SCANOUTS: usize = 16;
/// The most bytes of a command.
pub const COMMAND: usize = 64;
/// Bytes of a response that carries nothing.
pub const NODATA: usize = size_of::<ControlHeader>();
/// Bytes of a response that carries the displays.
pub const DISPLAY_INFO: usize = size_of::<DisplayInfo>();
/// Bytes of a response that carries an EDID.
pub const EDID: usize = size_of::<EdidResponse>();

/// ctrl_hdr.flags: a response tells that all is done, and carries the fence's id.
const VIRTIO_GPU_FLAG_FENCE: u32 = 1;

/// What a command or a response is: `enum virtio_gpu_ctrl_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Type(pub u32);

macro_rules! types {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        impl Type {
            $(#[doc = concat!("`VIRTIO_GPU_", $text, "`.")] pub const $name: Self = Self($value);)*

            /// Its name, where the specification has one.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

types! {
    GET_DISPLAY_INFO = 0x100, "CMD_GET_DISPLAY_INFO";
    RESOURCE_CREATE_2D = 0x101, "CMD_RESOURCE_CREATE_2D";
    RESOURCE_UNREF = 0x102, "CMD_RESOURCE_UNREF";
    SET_SCANOUT = 0x103, "CMD_SET_SCANOUT";
    RESOURCE_FLUSH = 0x104, "CMD_RESOURCE_FLUSH";
    TRANSFER_TO_HOST_2D = 0x105, "CMD_TRANSFER_TO_HOST_2D";
    RESOURCE_ATTACH_BACKING = 0x106, "CMD_RESOURCE_ATTACH_BACKING";
    RESOURCE_DETACH_BACKING = 0x107, "CMD_RESOURCE_DETACH_BACKING";
    GET_EDID = 0x10a, "CMD_GET_EDID";
    UPDATE_CURSOR = 0x300, "CMD_UPDATE_CURSOR";
    MOVE_CURSOR = 0x301, "CMD_MOVE_CURSOR";
    OK_NODATA = 0x1100, "RESP_OK_NODATA";
    OK_DISPLAY_INFO = 0x1101, "RESP_OK_DISPLAY_INFO";
    OK_EDID = 0x1104, "RESP_OK_EDID";
    ERR_UNSPEC = 0x1200, "RESP_ERR_UNSPEC";
    ERR_OUT_OF_MEMORY = 0x1201, "RESP_ERR_OUT_OF_MEMORY";
    ERR_INVALID_SCANOUT_ID = 0x1202, "RESP_ERR_INVALID_SCANOUT_ID";
    ERR_INVALID_RESOURCE_ID = 0x1203, "RESP_ERR_INVALID_RESOURCE_ID";
    ERR_INVALID_CONTEXT_ID = 0x1204, "RESP_ERR_INVALID_CONTEXT_ID";
    ERR_INVALID_PARAMETER = 0x1205, "RESP_ERR_INVALID_PARAMETER";
}

/// How a resource's pixels lie in memory: `enum virtio_gpu_formats`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Format {
    /// `VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM`: of a cursor.
    B8g8r8a8 = 1,
    /// `VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM`: of a picture.
    B8g8r8x8 = 2,
}

macro_rules! layout {
    ($($(#[$doc:meta])* struct $name:ident { $($field:ident: $kind:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[zerocopy(crate = "dirql::zerocopy")]
        #[repr(C)]
        struct $name { $($field: $kind,)* }
    )*};
}

layout! {
    /// `virtio_gpu_ctrl_hdr`.
    struct ControlHeader { kind: U32, flags: U32, fence_id: U64, ctx_id: U32, ring_idx: u8, padding: [u8; 3], }
    /// `virtio_gpu_rect`.
    struct Rect { x: U32, y: U32, width: U32, height: U32, }
    /// `virtio_gpu_display_one`.
    struct DisplayOne { r: Rect, enabled: U32, flags: U32, }
    /// `virtio_gpu_resp_display_info`.
    struct DisplayInfo { header: ControlHeader, pmodes: [DisplayOne; VIRTIO_GPU_MAX_SCANOUTS], }
    /// `virtio_gpu_get_edid`, `virtio_gpu_resource_unref` and `virtio_gpu_resource_detach_backing`.
    struct OfOne { id: U32, padding: U32, }
    /// `virtio_gpu_resp_edid`.
    struct EdidResponse { header: ControlHeader, size: U32, padding: U32, edid: [u8; 1024], }
    /// `virtio_gpu_resource_create_2d`.
    struct Create2d { resource_id: U32, format: U32, width: U32, height: U32, }
    /// `virtio_gpu_set_scanout`.
    struct SetScanout { r: Rect, scanout_id: U32, resource_id: U32, }
    /// `virtio_gpu_resource_flush`.
    struct ResourceFlush { r: Rect, resource_id: U32, padding: U32, }
    /// `virtio_gpu_transfer_to_host_2d`.
    struct TransferToHost2d { r: Rect, offset: U64, resource_id: U32, padding: U32, }
    /// `virtio_gpu_resource_attach_backing` with one `virtio_gpu_mem_entry`.
    struct AttachBacking { resource_id: U32, nr_entries: U32, addr: U64, length: U32, padding: U32, }
    /// `virtio_gpu_update_cursor`.
    struct UpdateCursor {
        scanout_id: U32, x: U32, y: U32, pos_padding: U32,
        resource_id: U32, hot_x: U32, hot_y: U32, padding: U32,
    }
}

impl From<Rectangle> for Rect {
    fn from(r: Rectangle) -> Self {
        Self { x: r.x.into(), y: r.y.into(), width: r.width.into(), height: r.height.into() }
    }
}

/// A command of the control queue.
#[derive(Debug, Clone, Copy)]
pub enum Command {
    /// Asks which displays there are.
    GetDisplayInfo,
    /// Asks for a display's EDID.
    GetEdid { scanout: u32 },
    /// Makes a resource.
    ResourceCreate2d { resource: u32, format: Format, width: u32, height: u32 },
    /// Forgets a resource.
    ResourceUnref { resource: u32 },
    /// Says where a resource's pixels are.
    ResourceAttachBacking { resource: u32, at: Iova, len: u32 },
    /// Takes them away.
    ResourceDetachBacking { resource: u32 },
    /// Shows a part of a resource; no resource is 0.
    SetScanout { scanout: u32, resource: u32, part: Rectangle },
    /// Takes pixels over, which begin at `offset` in the backing.
    TransferToHost2d { resource: u32, part: Rectangle, offset: u64 },
    /// Shows what was taken over.
    ResourceFlush { resource: u32, part: Rectangle },
}

impl Command {
    /// What it is.
    pub fn kind(&self) -> Type {
        match self {
            Self::GetDisplayInfo => Type::GET_DISPLAY_INFO,
            Self::GetEdid { .. } => Type::GET_EDID,
            Self::ResourceCreate2d { .. } => Type::RESOURCE_CREATE_2D,
            Self::ResourceUnref { .. } => Type::RESOURCE_UNREF,
            Self::ResourceAttachBacking { .. } => Type::RESOURCE_ATTACH_BACKING,
            Self::ResourceDetachBacking { .. } => Type::RESOURCE_DETACH_BACKING,
            Self::SetScanout { .. } => Type::SET_SCANOUT,
            Self::TransferToHost2d { .. } => Type::TRANSFER_TO_HOST_2D,
            Self::ResourceFlush { .. } => Type::RESOURCE_FLUSH,
        }
    }

    /// How many bytes its response has.
    pub fn response_len(&self) -> usize {
        match self {
            Self::GetDisplayInfo => DISPLAY_INFO,
            Self::GetEdid { .. } => EDID,
            _ => NODATA,
        }
    }

    /// Writes it, and gives its bytes.
    pub fn encode(&self, fence: Option<u64>, to: &mut [u8]) -> usize {
        let header = put(to, 0, &header(self.kind(), fence));
        match *self {
            Self::GetDisplayInfo => header,
            Self::GetEdid { scanout: id }
            | Self::ResourceUnref { resource: id }
            | Self::ResourceDetachBacking { resource: id } => {
                put(to, header, &OfOne { id: id.into(), padding: U32::ZERO })
            }
            Self::ResourceCreate2d { resource, format, width, height } => {
                let (resource_id, format) = (resource.into(), (format as u32).into());
                put(to, header, &Create2d { resource_id, format, width: width.into(), height: height.into() })
            }
            Self::ResourceAttachBacking { resource, at, len } => {
                let (resource_id, nr_entries) = (resource.into(), 1.into());
                let (addr, length) = (at.0.into(), len.into());
                put(to, header, &AttachBacking { resource_id, nr_entries, addr, length, padding: U32::ZERO })
            }
            Self::SetScanout { scanout, resource, part } => {
                let (scanout_id, resource_id) = (scanout.into(), resource.into());
                put(to, header, &SetScanout { r: part.into(), scanout_id, resource_id })
            }
            Self::TransferToHost2d { resource, part, offset } => {
                let (offset, resource_id) = (offset.into(), resource.into());
                put(to, header, &TransferToHost2d { r: part.into(), offset, resource_id, padding: U32::ZERO })
            }
            Self::ResourceFlush { resource, part } => {
                let resource_id = resource.into();
                put(to, header, &ResourceFlush { r: part.into(), resource_id, padding: U32::ZERO })
            }
        }
    }
}

/// A command of the cursor queue, to which there is no response.
#[derive(Debug, Clone, Copy)]
pub struct CursorCommand {
    /// `UPDATE_CURSOR`, or `MOVE_CURSOR`.
    pub kind: Type,
    /// Where.
    pub scanout: u32,
    /// Where the picture's upper left corner is; it may be left of the screen, or above it, as a negative number.
    pub at: (u32, u32),
    /// The picture; 0 for none. QEMU hides a cursor that is moved without it.
    pub resource: u32,
    /// Which of its pixels points.
    pub hot: (u32, u32),
}

impl CursorCommand {
    /// Writes it, and gives its bytes.
    pub fn encode(&self, to: &mut [u8]) -> usize {
        let at = put(to, 0, &header(self.kind, None));
        let body = UpdateCursor {
            scanout_id: self.scanout.into(),
            x: self.at.0.into(),
            y: self.at.1.into(),
            pos_padding: U32::ZERO,
            resource_id: self.resource.into(),
            hot_x: self.hot.0.into(),
            hot_y: self.hot.1.into(),
            padding: U32::ZERO,
        };
        put(to, at, &body)
    }
}

fn header(kind: Type, fence: Option<u64>) -> ControlHeader {
    ControlHeader {
        kind: kind.0.into(),
        flags: if fence.is_some() { VIRTIO_GPU_FLAG_FENCE } else { 0 }.into(),
        fence_id: fence.unwrap_or(0).into(),
        ctx_id: U32::ZERO,
        ring_idx: 0,
        padding: [0; 3],
    }
}

/// Writes a value at `at`, and gives where it ends. No command is longer than [`COMMAND`], which `to` has.
fn put(to: &mut [u8], at: usize, value: &(impl IntoBytes + Immutable)) -> usize {
    let bytes = value.as_bytes();
    let end = at + bytes.len();
    if let Some(room) = to.get_mut(at..end) {
        room.copy_from_slice(bytes);
    }
    end
}

/// A display as the device tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Its size.
    pub size: (u32, u32),
    /// A monitor is there.
    pub enabled: bool,
}

/// What a response carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    NoData,
    /// Every display that there can be.
    DisplayInfo(Box<[Shown; VIRTIO_GPU_MAX_SCANOUTS]>),
    /// A description, unread.
    Edid(Vec<u8>),
}

/// Reads the response to a command.
///
/// # Errors
/// What the device says wrong, or that it refuses, in words.
pub fn decode(command: Type, fence: Option<u64>, bytes: &[u8]) -> Result<Answer, String> {
    let Ok((header, _)) = ControlHeader::read_from_prefix(bytes) else {
        return Err(format!("the device answers {} bytes, of at least {NODATA}", bytes.len()));
    };
    let kind = Type(header.kind.get());
    let expected = match command {
        Type::GET_DISPLAY_INFO => Type::OK_DISPLAY_INFO,
        Type::GET_EDID => Type::OK_EDID,
        _ => Type::OK_NODATA,
    };
    if kind != expected {
        return Err(match kind.name() {
            Some(name) => format!("the device answers VIRTIO_GPU_{name}"),
            None => format!("the device answers {:#x}, which is no response", kind.0),
        });
    }
    if let Some(fence) = fence {
        let (flags, id) = (header.flags.get(), header.fence_id.get());
        if flags & VIRTIO_GPU_FLAG_FENCE == 0 || id != fence {
            return Err(format!(
                "the device answers fence {id} with flags {flags:#x}, where it has fence {fence}"
            ));
        }
    }
    let short = || format!("the device answers {} bytes of {kind:?}", bytes.len());
    match expected {
        Type::OK_DISPLAY_INFO => {
            let (info, _) = DisplayInfo::read_from_prefix(bytes).map_err(|_| short())?;
            Ok(Answer::DisplayInfo(Box::new(info.pmodes.map(|mode| Shown {
                size: (mode.r.width.get(), mode.r.height.get()),
                enabled: mode.enabled.get() != 0,
            }))))
        }
        Type::OK_EDID => {
            let (edid, _) = EdidResponse::read_from_prefix(bytes).map_err(|_| short())?;
            let size = edid.size.get() as usize;
            let edid = edid
                .edid
                .get(..size)
                .ok_or_else(|| format!("the device tells of an EDID of {size} bytes"))?;
            Ok(Answer::Edid(edid.to_vec()))
        }
        _ => Ok(Answer::NoData),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_as_long_as_specified() {
        let part = Rectangle::whole(1, 2);
        let len = |command: Command| command.encode(Some(7), &mut [0; COMMAND]);
        assert_eq!(len(Command::GetDisplayInfo), 24);
        assert_eq!(len(Command::GetEdid { scanout: 0 }), 32);
        assert_eq!(
            len(Command::ResourceCreate2d { resource: 1, format: Format::B8g8r8x8, width: 1, height: 1 }),
            40
        );
        assert_eq!(len(Command::ResourceAttachBacking { resource: 1, at: Iova(0), len: 4 }), 48);
        assert_eq!(len(Command::SetScanout { scanout: 0, resource: 1, part }), 48);
        assert_eq!(len(Command::ResourceFlush { resource: 1, part }), 48);
        assert_eq!(len(Command::TransferToHost2d { resource: 1, part, offset: 0 }), 56);
        let cursor =
            CursorCommand { kind: Type::MOVE_CURSOR, scanout: 0, at: (0, 0), resource: 0, hot: (0, 0) };
        assert_eq!(cursor.encode(&mut [0; COMMAND]), 56);
        assert_eq!((NODATA, DISPLAY_INFO, EDID), (24, 408, 1056));
    }

    #[test]
    fn a_transfer_is_encoded_as_specified() {
        let mut bytes = [0; COMMAND];
        let part = Rectangle { x: 1, y: 2, width: 3, height: 4 };
        Command::TransferToHost2d { resource: 5, part, offset: 6 }.encode(Some(7), &mut bytes);
        let words: Vec<u32> = bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        assert_eq!(words, [0x105, 1, 7, 0, 0, 0, 1, 2, 3, 4, 6, 0, 5, 0, 0, 0]);
    }

    #[test]
    fn what_a_response_says_wrong_is_told() {
        let mut bytes = [0; EDID];
        let words = |bytes: &[u8], command, fence| decode(command, fence, bytes).unwrap_err();
        assert!(words(&bytes[..23], Type::SET_SCANOUT, None).contains("23 bytes"));
        assert!(words(&bytes, Type::SET_SCANOUT, None).contains("no response"));
        bytes[..2].copy_from_slice(&0x1203_u16.to_le_bytes());
        assert!(words(&bytes, Type::SET_SCANOUT, None).ends_with("VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID"));
        bytes[..2].copy_from_slice(&0x1100_u16.to_le_bytes());
        assert_eq!(decode(Type::SET_SCANOUT, None, &bytes), Ok(Answer::NoData));
        assert!(words(&bytes, Type::SET_SCANOUT, Some(3)).contains("fence 0"));
        (bytes[4], bytes[8]) = (1, 3);
        assert_eq!(decode(Type::SET_SCANOUT, Some(3), &bytes), Ok(Answer::NoData));
        assert!(words(&bytes, Type::SET_SCANOUT, Some(4)).contains("fence 3"));
        bytes[..2].copy_from_slice(&0x1104_u16.to_le_bytes());
        assert!(words(&bytes[..100], Type::GET_EDID, None).contains("100 bytes"));
        bytes[24..28].copy_from_slice(&1025_u32.to_le_bytes());
        assert!(words(&bytes, Type::GET_EDID, None).contains("1025"));
        bytes[24..28].copy_from_slice(&128_u32.to_le_bytes());
        assert_eq!(decode(Type::GET_EDID, None, &bytes), Ok(Answer::Edid(vec![0; 128])));
    }
}
