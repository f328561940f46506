//! The devices that this command drives: found, opened, started, stopped.

use dirql::backend::group::GroupBackend;
use dirql::class::display::Display;
use dirql::class::net::Net;
use dirql::class::random::Random;
use dirql::driver::{Driver, Registration, Settings};
use dirql::host::{Function, Host};
use dirql::interrupt::{Observer, VectorStatistics};
use dirql::pci::Names;
use dirql::release::ReleaseRequest;
use dirql::telemetry::{self, Publisher, Subject};
use dirql::{Address, Code, Device, Error, ErrorKind, Result};

use crate::confine::{self, Needs};
use crate::output::{End, Outcome};
use crate::signals::Stop;

/// Every driver that this command has.
pub static DRIVERS: [&Registration; 6] = [
    &dirql_e1000::DRIVER,
    &dirql_virtio::net::DRIVER,
    &dirql_virtio::gpu::DRIVER,
    &dirql_virtio::rng::DRIVER,
    &dirql_bochs::DRIVER,
    &dirql_edu::DRIVER,
];

/// The driver for a function, if there is one.
pub fn driver_of(function: &Function) -> Option<&'static Registration> {
    DRIVERS.into_iter().find(|driver| driver.matches(function.vendor, function.device))
}

/// The driver for a function.
///
/// # Errors
/// `NotFound`, with the function's ids and those that there are drivers for.
pub fn require_driver(function: &Function) -> Result<&'static Registration> {
    driver_of(function).ok_or_else(|| {
        let (vendor, device) = (function.vendor, function.device);
        let name = Names::system().describe(vendor, device);
        let known = DRIVERS.map(|driver| {
            let ids: Vec<_> =
                driver.ids.iter().map(|(vendor, device)| format!("{vendor:04x}:{device:04x}")).collect();
            format!("{} ({})", driver.name, ids.join(", "))
        });
        Error::new(ErrorKind::NotFound, "look-up of the driver")
            .on(function.address)
            .why(format!("dirql has none for {vendor:04x}:{device:04x}, {name}; it has {}", known.join(", ")))
            .fix(format!("dirql selftest {}, which needs none", function.address))
    })
}

/// Opens a device, and gives up all rights but those that are still needed.
///
/// # Errors
/// As [`Device::open`].
pub fn open(host: &Host, function: &Function, needs: &Needs) -> Result<Device> {
    // Who is confined sees no more what other processes hold.
    match host.usable(function).problem {
        Some(held) if held.catalogue_code() == Some(Code::E7) => Err(held),
        _ => open_unheld(function, needs),
    }
}

/// As [`open`], of a device of which it was looked up already that nobody holds it.
///
/// # Errors
/// As [`Device::open`].
pub fn open_unheld(function: &Function, needs: &Needs) -> Result<Device> {
    confine::before_opening(needs);
    let backend = GroupBackend::open(function.address)?;
    confine::once_open(needs);
    // Its threads hold no more than that.
    Device::from_backend(backend)
}

/// A device that runs. Dropped, it is stopped as well.
pub struct Running {
    /// Where it sits.
    pub address: Address,
    /// The name of its driver.
    pub driver_name: &'static str,
    release: ReleaseRequest,
    /// What there is to look at.
    subject: Subject,
    /// For `dirql stats`, `dirql irqs` and `dirql trace`. Ends before the device does.
    published: Option<Publisher>,
    driver: Box<dyn Driver>,
}

impl Running {
    /// Opens the device that `name` means, and starts it with the driver that matches and these settings, with no rights
    /// but those that it `needs`. When the host wants it back, `stop` says so.
    ///
    /// # Errors
    /// Where there is no such device or no driver for it, it cannot be opened, or it does not start.
    pub fn start(host: &Host, name: &str, settings: &Settings, needs: &Needs, stop: &Stop) -> Result<Self> {
        let function = host.resolve(name)?;
        let registration = require_driver(&function)?;
        let device = open(host, &function, needs)?;
        stop.on_release(device.release_request());
        Self::probe(device, registration, settings)
    }

    /// Starts an opened device.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn probe(device: Device, registration: &'static Registration, settings: &Settings) -> Result<Self> {
        let (address, release) = (device.address(), device.release_request());
        let mut driver = (registration.probe)(device, settings)?;
        let subject = Subject::of(address, registration.name, &mut *driver);
        let published = telemetry::publish(subject.clone())
            .map_err(|error| log::warn!("nobody can ask for statistics: {error}"))
            .ok();
        Ok(Self { address, driver_name: registration.name, release, subject, published, driver })
    }

    /// The driver.
    pub fn driver(&mut self) -> &mut dyn Driver {
        &mut *self.driver
    }

    /// What was counted of each vector.
    pub fn vectors(&self) -> Vec<VectorStatistics> {
        self.driver.vectors()
    }

    /// What there is to look at.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// A way to look at its vectors.
    ///
    /// # Errors
    /// `Precondition` where its driver offers none.
    pub fn observer(&self) -> Result<Observer> {
        self.driver.observer().ok_or_else(|| {
            let why = format!("its driver {} has no interrupts to look at", self.driver_name);
            Error::new(ErrorKind::Precondition, "observation").on(self.address).why(why)
        })
    }

    /// The device as a network interface.
    ///
    /// # Errors
    /// `Precondition` where it is none.
    pub fn net(&mut self) -> Result<&mut dyn Net> {
        let (address, name) = (self.address, self.driver_name);
        self.driver.net().ok_or_else(|| {
            Error::new(ErrorKind::Precondition, "use as a network interface")
                .on(address)
                .why(format!("its driver {name} is not for network interfaces"))
                .fix(format!("dirql run {address}"))
        })
    }

    /// The device as a display.
    ///
    /// # Errors
    /// `Precondition` where it is none.
    pub fn display(&mut self) -> Result<&mut dyn Display> {
        let (address, name) = (self.address, self.driver_name);
        self.driver.display().ok_or_else(|| {
            Error::new(ErrorKind::Precondition, "use as a display")
                .on(address)
                .why(format!("its driver {name} is not for displays"))
                .fix(format!("dirql run {address}"))
        })
    }

    /// The device as a source of entropy.
    ///
    /// # Errors
    /// `Precondition` where it is none.
    pub fn random(&mut self) -> Result<&mut dyn Random> {
        let (address, name) = (self.address, self.driver_name);
        self.driver.random().ok_or_else(|| {
            Error::new(ErrorKind::Precondition, "use as a source of entropy")
                .on(address)
                .why(format!("its driver {name} is not for those"))
                .fix(format!("dirql run {address}"))
        })
    }

    /// Stops the device, and only then lets go of it.
    ///
    /// # Errors
    /// Where it does not stop.
    pub fn stop(self) -> Result<()> {
        drop(self.published);
        self.driver.stop()
    }

    /// Stops the device, however its use has gone, and lets go of it.
    ///
    /// # Errors
    /// E13 where the host wants it back, whatever else went wrong on the way; else that of its use, or of its stop.
    pub fn finish<T>(self, used: Outcome<T>) -> Outcome<T> {
        let release = self.release.clone();
        let stopped = self.stop();
        if release.is_wanted() {
            let used = match used {
                Err(End::Failed(errors)) => errors,
                Ok(_) | Err(End::Unread) => vec![],
            };
            used.into_iter().chain(stopped.err()).for_each(|error| log::debug!("{error}"));
            return Err(release.error("running of the driver").into());
        }
        match (used, stopped) {
            (Ok(value), stopped) => stopped.map(|()| value).map_err(End::from),
            (Err(end), stopped) => {
                stopped.unwrap_or_else(|error| log::error!("{error}"));
                Err(end)
            }
        }
    }
}

#[cfg(test)]
pub mod tests {
    use dirql_edu::model::EduModel;

    use super::*;
    use dirql::Code;

    /// An edu device in this process.
    pub fn edu() -> Device {
        Device::from_backend(EduModel::backend()).unwrap()
    }

    #[test]
    fn a_device_that_the_host_wants_back_is_let_go_of_with_its_own_error() {
        for used in [Ok(()), Err(End::Unread), Err(Error::new(ErrorKind::Failure, "a test").into())] {
            let backend = EduModel::backend();
            let bus = backend.bus();
            let device = Device::from_backend(backend).unwrap();
            let stop = Stop::never();
            let release = device.release_request();
            stop.on_release(release.clone());
            let running = Running::probe(device, &dirql_edu::DRIVER, &Settings::default()).unwrap();
            assert!(!stop.is_wanted());
            bus.request_release();
            assert!(release.wait(std::time::Duration::from_secs(20)) && stop.is_wanted());
            let Err(End::Failed(errors)) = running.finish(used) else { panic!("it is no success") };
            let error = &errors[0];
            assert_eq!((error.kind().exit_code(), error.catalogue_code()), (7, Some(Code::E13)));
            let text = error.to_string();
            for words in
                ["running of the driver for 0000:", "ENODEV", "why: the host wants", "fix: bind it again"]
            {
                assert!(text.contains(words), "{text}");
            }
            let acts = bus.acts();
            assert!(!bus.bus_master() && !acts.contains(&dirql::backend::model::Act::Closed), "{acts:?}");
        }
    }

    #[test]
    fn without_a_request_the_use_decides() {
        let running = || Running::probe(edu(), &dirql_edu::DRIVER, &Settings::default()).unwrap();
        assert_eq!(running().finish(Ok(7)).unwrap(), 7);
        let failed = Error::new(ErrorKind::Busy, "a test").into();
        let Err(End::Failed(errors)) = running().finish::<()>(Err(failed)) else { panic!("it failed") };
        assert_eq!(errors[0].kind(), ErrorKind::Busy);
    }

    #[test]
    fn a_teaching_device_is_neither_a_network_interface_nor_a_display() {
        let mut running = Running::probe(edu(), &dirql_edu::DRIVER, &Settings::default()).unwrap();
        assert_eq!(running.net().err().unwrap().kind(), ErrorKind::Precondition);
        assert_eq!(running.display().err().unwrap().kind(), ErrorKind::Precondition);
        running.stop().unwrap();
    }
}
