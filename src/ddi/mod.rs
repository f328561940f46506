//! Five Windows driver interfaces in their own words, for whoever ports a miniport: thin adapters over
//! [`crate::interrupt`].
//!
//! | interface | here | what the routine is serialized with |
//! |---|---|---|
//! | `VideoPortSynchronizeExecution` | [`video_port`] | the adapter's one interrupt, by priority; or none |
//! | `DxgkCbSynchronizeExecution` | [`dxgk`] | the handler of a message, by its number |
//! | `NdisMSynchronizeWithInterruptEx` | [`ndis`] | the handler of a message, or of all of them |
//! | `KeSynchronizeExecution` | [`ke`] | the handler of an interrupt object, or of all that share its lock |
//! | `PshedSynchronizeExecution` | [`pshed`] | the handler of the device's errors |
//!
//! Each makes the same promise: a routine of the driver and the handler that it names never run at the same time. The
//! routine runs once, on the caller's thread. A driver that is written anew uses [`crate::interrupt::Vector`], where a
//! routine returns what it likes. `docs/porting.md` ports a driver from end to end.
//!
//! # What every routine gets, and what it returns
//!
//! In Windows a routine gets one pointer, and what it shares with the handler is wherever that points: nothing keeps
//! others from it. Here it gets two references. The first is the state that the handler gets too, which lives in the
//! lock and is reached by no other way; the second is the caller's `context`, which nobody else sees.
//!
//! Where Windows returns the routine's BOOLEAN, these return `Result<bool, SyncError>`. FALSE belongs to the driver, so
//! it cannot also say that the routine did not run; and there are reasons for that here which in Windows are deadlocks,
//! bugchecks or unspoken rules. `Ok` carries the BOOLEAN; on `Err` the routine has not run.
//!
//! # What differs, and why that is safer
//!
//! | | Windows | here |
//! |---|---|---|
//! | level | the IRQL goes up to the handler's DIRQL: nothing of that level or below runs on the processor | signals are blocked on the thread; handlers are threads, and those of other vectors run on. Exclusion comes from the lock alone |
//! | lock | a spin lock of the interrupt object | spins a little, then waits in the kernel and lends its priority to the owner |
//! | blocking, page faults | forbidden: the code and its data are resident | allowed, but the handler waits as long: a section is to be short all the same |
//! | what may be called | what is safe at any IRQL | anything |
//! | entered twice by a thread | deadlock | [`Reentrant`], at once; also in the handler, which is in the section already |
//! | two locks in two orders | deadlock | [`LockOrder`], before any waiting |
//! | not connected | by interface: an error, or the caller's fault | [`NotConnected`] |
//! | a fault inside | bugcheck | a panic releases the lock, and later callers are told [`Poisoned`] until the driver says that the state is whole |
//! | deferred work | a DPC at DISPATCH_LEVEL, which must not block, and may run on two processors at once | [`deferred`]: a thread, which may block, never at once with itself |
//! | teardown | the driver stops its device, flushes its DPCs and disconnects; a DPC that comes late meets an interrupt object that is no more | [`disconnect`], or a drop, does all but the first, and nothing runs after it |
//! | the device is pulled out | reads give ones | [`DeviceGone`] |
//!
//! The seeds say of this: the levels, the locks, what may be called, and that a routine is not pageable. The rest of
//! the Windows column is from the vendor's wider documentation.
//!
//! [`Reentrant`]: crate::synchronize::SyncError::Reentrant
//! [`LockOrder`]: crate::synchronize::SyncError::LockOrder
//! [`NotConnected`]: crate::synchronize::SyncError::NotConnected
//! [`Poisoned`]: crate::synchronize::SyncError::Poisoned
//! [`DeviceGone`]: crate::synchronize::SyncError::DeviceGone
//! [`deferred`]: crate::interrupt::VectorBuilder::deferred
//! [`disconnect`]: crate::interrupt::Vector::disconnect
//!
//! Source: the five seeds, by module; R1 to R11, R26, R27 and R29 of `docs/synchronize.md`.

pub mod dxgk;
pub mod ke;
pub mod ndis;
pub mod pshed;
pub mod video_port;
