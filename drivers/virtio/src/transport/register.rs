//! The common configuration, and the values of its registers.
//!
//! Source: VIRTIO 1.2, 2.1 and 4.1.4.3. Names as there; registers of 64 bits are written by halves, as 4.1.3.1 allows.

use dirql::region::Register;

/// Bytes of the common configuration up to and with `queue_device`.
pub const COMMON_LEN: u64 = 0x38;

macro_rules! registers {
    ($($(#[$doc:meta])* $name:ident: $width:ty = $offset:literal, $text:literal;)*) => {$(
        $(#[$doc])*
        pub const $name: Register<$width> = Register::new($offset, $text);
    )*};
}

registers! {
    /// Which 32 feature bits `device_feature` shows.
    DEVICE_FEATURE_SELECT: u32 = 0x00, "device_feature_select";
    /// What the device offers.
    DEVICE_FEATURE: u32 = 0x04, "device_feature";
    /// Which 32 feature bits `driver_feature` takes.
    DRIVER_FEATURE_SELECT: u32 = 0x08, "driver_feature_select";
    /// What the driver takes.
    DRIVER_FEATURE: u32 = 0x0c, "driver_feature";
    /// The vector of changes of the configuration.
    CONFIG_MSIX_VECTOR: u16 = 0x10, "config_msix_vector";
    /// How many queues the device has at most.
    NUM_QUEUES: u16 = 0x12, "num_queues";
    /// How far the driver has come; 0 resets the device.
    DEVICE_STATUS: u8 = 0x14, "device_status";
    /// Changes with the device's configuration.
    CONFIG_GENERATION: u8 = 0x15, "config_generation";
    /// Which queue the registers from here on are of.
    QUEUE_SELECT: u16 = 0x16, "queue_select";
    /// The queue's entries; 0 for no such queue.
    QUEUE_SIZE: u16 = 0x18, "queue_size";
    /// The queue's vector.
    QUEUE_MSIX_VECTOR: u16 = 0x1a, "queue_msix_vector";
    /// Whether the device works on the queue.
    QUEUE_ENABLE: u16 = 0x1c, "queue_enable";
    /// Where the queue's doorbell is.
    QUEUE_NOTIFY_OFF: u16 = 0x1e, "queue_notify_off";
    /// The descriptors' address.
    QUEUE_DESC: u32 = 0x20, "queue_desc";
    /// The driver's area's address.
    QUEUE_DRIVER: u32 = 0x28, "queue_driver";
    /// The device's area's address.
    QUEUE_DEVICE: u32 = 0x30, "queue_device";
    /// Resets the queue; only with RING_RESET.
    QUEUE_RESET: u16 = 0x3a, "queue_reset";
}

/// device_status: the driver has noticed the device.
pub const ACKNOWLEDGE: u8 = 1;
/// device_status: the driver knows how to drive it.
pub const DRIVER: u8 = 2;
/// device_status: the driver is ready.
pub const DRIVER_OK: u8 = 4;
/// device_status: the features are agreed on.
pub const FEATURES_OK: u8 = 8;
/// device_status: the device cannot go on without a reset.
pub const NEEDS_RESET: u8 = 64;
/// device_status: the driver has given up.
pub const FAILED: u8 = 128;

/// A vector register's value for none, which is also what it reads where a vector was refused.
pub const NO_VECTOR: u16 = 0xffff;

/// ISR status: a queue has used buffers.
pub const ISR_QUEUE: u8 = 1;
/// ISR status: the configuration has changed.
pub const ISR_CONFIG: u8 = 2;
