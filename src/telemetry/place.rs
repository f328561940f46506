//! Where sockets are: a directory of each user's, which nobody else may write to.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::Uid;

use crate::{Address, Error, ErrorKind, Result};

/// How long another program may take to claim a socket in the same directory.
const CLAIMING: Duration = Duration::from_secs(5);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(2);
/// What ends a socket's name.
const SOCKET: &str = ".sock";
/// Bytes of a socket's path at most: `sun_path` without the byte that ends it.
const LONGEST: usize = 107;

/// Where a system has directories for its users, as this process sees it.
#[derive(Debug)]
pub struct Roots {
    /// `XDG_RUNTIME_DIR`.
    pub xdg: Option<PathBuf>,
    /// `/run`.
    pub run: PathBuf,
    /// `/tmp`.
    pub tmp: PathBuf,
    /// Who asks.
    pub uid: Uid,
}

impl Roots {
    /// Those of this machine.
    pub fn system() -> Self {
        let xdg = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        Self { xdg, run: "/run".into(), tmp: "/tmp".into(), uid: Uid::effective() }
    }

    /// Where this process publishes: the first of [`Roots::own`].
    pub fn home(&self) -> Place {
        self.own().into_iter().next().unwrap_or_else(|| self.last_resort())
    }

    /// Where programs of this user's publish, whatever their environment. A directory that the environment names and
    /// that is another's, as after `sudo -E`, is not the user's.
    fn own(&self) -> Vec<Place> {
        let of_user = |directory: &Path| {
            fs::metadata(directory).is_ok_and(|it| it.is_dir() && it.uid() == self.uid.as_raw())
        };
        let mut places = Vec::new();
        if let Some(xdg) = self.xdg.as_ref().filter(|path| path.is_absolute() && of_user(path)) {
            add(&mut places, xdg.join("dirql"), self.uid);
        }
        if self.uid.is_root() {
            // `/run/dirql` itself has what `dirql restore` needs, for everybody to read.
            add(&mut places, self.run.join("dirql/telemetry"), self.uid);
        }
        let session = self.run.join("user").join(self.uid.to_string());
        if of_user(&session) {
            add(&mut places, session.join("dirql"), self.uid);
        }
        let Place { path, owner } = self.last_resort();
        add(&mut places, path, owner);
        places
    }

    /// A user without a session, as a service's, has only what is everybody's.
    fn last_resort(&self) -> Place {
        Place { path: self.tmp.join(format!("dirql-{}", self.uid)), owner: self.uid }
    }

    /// Everywhere this user may look: root looks at every user's.
    pub fn all(&self) -> Vec<Place> {
        let mut places = self.own();
        if self.uid.is_root() {
            let sessions = users(&self.run.join("user"), "").map(|(path, owner)| (path.join("dirql"), owner));
            for (path, owner) in sessions.chain(users(&self.tmp, "dirql-")) {
                add(&mut places, path, owner);
            }
        }
        places
    }
}

/// Adds a place, unless it is among them.
fn add(places: &mut Vec<Place>, path: PathBuf, owner: Uid) {
    if !places.iter().any(|place| place.path == path) {
        places.push(Place { path, owner });
    }
}

/// The entries of a directory that are named after a user, by the user's number.
fn users(directory: &Path, prefix: &str) -> impl Iterator<Item = (PathBuf, Uid)> + use<> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let uid = entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((uid, entry.path()))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(uid, path)| (path, Uid::from_raw(uid)))
}

/// A directory in which a user's programs publish; it need not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where it is.
    pub path: PathBuf,
    /// Whose it has to be.
    pub owner: Uid,
}

impl Place {
    /// The socket of the program that drives a device.
    ///
    /// # Errors
    /// `Precondition` where its path is longer than a socket's may be.
    pub fn socket(&self, address: Address) -> Result<PathBuf> {
        let path = self.path.join(format!("{address}{SOCKET}"));
        let len = path.as_os_str().len();
        if len <= LONGEST {
            return Ok(path);
        }
        let why = format!("its path has {len} bytes, and a socket's has {LONGEST} at most");
        Err(Error::new(ErrorKind::Precondition, "naming of a telemetry socket")
            .on(address)
            .path(path)
            .why(why)
            .fix("set XDG_RUNTIME_DIR to a shorter path"))
    }

    /// The directory, if it is there and to be trusted. One that is not is left alone, and told of in the log.
    pub fn open(&self) -> Option<Directory> {
        match self.try_open() {
            Ok(directory) => Some(directory),
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    log::warn!("{error}");
                }
                None
            }
        }
    }

    fn try_open(&self) -> Result<Directory> {
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&self.path);
        let file = file.map_err(|error| self.fail(error, "opening of the sockets' directory"))?;
        let found = file.metadata().map_err(|error| self.fail(error, "look at the sockets' directory"))?;
        if found.uid() != self.owner.as_raw() {
            let why = format!("it is user {}'s, not user {}'s", found.uid(), self.owner);
            return Err(Error::new(ErrorKind::Permission, "opening of the sockets' directory")
                .path(&self.path)
                .why(why)
                .fix("set XDG_RUNTIME_DIR to a directory of your own"));
        }
        Ok(Directory { place: self.clone(), file, mode: found.mode() & 0o7777 })
    }

    /// The directory of this process's own user, made where it is not there, and nobody else's to enter.
    ///
    /// # Errors
    /// `Permission` where somebody else's stands in its place; what the kernel says.
    pub fn make(&self) -> Result<Directory> {
        let fail = |error: io::Error| self.fail(error, "making of the sockets' directory");
        if let Some(parent) = self.path.parent() {
            fs::create_dir_all(parent).map_err(fail)?;
        }
        match DirBuilder::new().mode(0o700).create(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(fail(error)),
            _ => {}
        }
        let directory = self.try_open()?;
        if directory.mode != 0o700 {
            directory.file.set_permissions(Permissions::from_mode(0o700)).map_err(fail)?;
        }
        Ok(directory)
    }

    fn fail(&self, error: io::Error, what: &str) -> Error {
        Error::io(&error, what).path(&self.path)
    }
}

/// A directory that belongs to whom it should.
#[derive(Debug)]
pub struct Directory {
    /// Where, and whose.
    pub place: Place,
    file: File,
    mode: u32,
}

impl Directory {
    /// The devices that have a socket here, alive or not.
    pub fn addresses(&self) -> Vec<Address> {
        let entries = fs::read_dir(&self.place.path).into_iter().flatten();
        let address = |name: &str| name.strip_suffix(SOCKET)?.parse().ok();
        let mut found: Vec<Address> =
            entries.filter_map(|entry| address(entry.ok()?.file_name().to_str()?)).collect();
        found.sort();
        found
    }

    /// Runs `claim` while no other program claims or gives up a socket here.
    ///
    /// # Errors
    /// `Busy` where another takes too long; what `claim` says.
    pub fn exclusively<T>(&self, claim: impl FnOnce() -> Result<T>) -> Result<T> {
        let what = "locking of the sockets' directory";
        let deadline = Instant::now() + CLAIMING;
        loop {
            match self.file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(LOOK),
                Err(TryLockError::WouldBlock) => {
                    let error = Error::new(ErrorKind::Busy, what).path(&self.place.path);
                    return Err(error.why(format!("another process has had it for {CLAIMING:?}")));
                }
                Err(TryLockError::Error(error)) => return Err(self.place.fail(error, what)),
            }
        }
        let claimed = claim();
        self.file.unlock().map_err(|error| self.place.fail(error, what))?;
        claimed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(at: &Path, xdg: Option<&str>) -> Roots {
        for directory in ["run/user", "tmp", "xdg"] {
            fs::create_dir_all(at.join(directory)).unwrap();
        }
        Roots {
            xdg: xdg.map(|path| at.join(path)),
            run: at.join("run"),
            tmp: at.join("tmp"),
            uid: Uid::effective(),
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_users_own_directory_comes_first() {
        let at = tempfile::tempdir().unwrap();
        let uid = Uid::effective();
        let session = at.path().join("run/user").join(uid.to_string());
        let unset = roots(at.path(), None);
        let bare =
            if uid.is_root() { at.path().join("run/dirql/telemetry") } else { unset.last_resort().path };
        assert_eq!(unset.home(), Place { path: bare.clone(), owner: uid });
        assert_eq!(roots(at.path(), Some("nowhere")).home().path, bare);
        let set = roots(at.path(), Some("xdg"));
        assert_eq!(set.home().path, at.path().join("xdg/dirql"));
        fs::create_dir(&session).unwrap();
        let wanted = if uid.is_root() { bare } else { session.join("dirql") };
        assert_eq!(unset.home().path, wanted);
        // Who asks finds what was published in another environment.
        let all: Vec<_> = unset.all().into_iter().map(|place| place.path).collect();
        assert!(all.contains(&session.join("dirql")) && all.contains(&unset.last_resort().path), "{all:?}");
        // Relative paths are not to be used, as the specification of the variable has it.
        assert_eq!(Roots { xdg: Some(".".into()), ..unset }.home().path, wanted);
    }

    #[test]
    fn root_looks_at_every_users_and_trusts_no_strangers() {
        let at = tempfile::tempdir().unwrap();
        let mut roots = roots(at.path(), None);
        for directory in ["run/user/1000", "run/user/7", "run/user/x", "tmp/dirql-12", "tmp/dirql-"] {
            fs::create_dir(at.path().join(directory)).unwrap();
        }
        let uids = |roots: &Roots| roots.all().iter().map(|place| place.owner.as_raw()).collect::<Vec<_>>();
        roots.uid = Uid::from_raw(0);
        assert!(uids(&roots).ends_with(&[0, 0, 7, 1000, 12]), "{:?}", roots.all());
        roots.uid = Uid::from_raw(5);
        assert_eq!(uids(&roots), [5]);
        // A directory of ours in the place of somebody else's.
        let stranger = Place { path: at.path().join("tmp"), owner: Uid::from_raw(54_321) };
        assert!(stranger.open().is_none());
        let error = stranger.make().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission);
        assert!(error.to_string().contains("not user 54321's"), "{error}");
    }

    #[test]
    fn a_directory_is_its_users_alone() {
        let at = tempfile::tempdir().unwrap();
        let place = Place { path: at.path().join("a/b"), owner: Uid::effective() };
        assert!(place.open().is_none());
        place.make().unwrap();
        assert_eq!(mode(&place.path), 0o700);
        fs::set_permissions(&place.path, Permissions::from_mode(0o777)).unwrap();
        place.make().unwrap();
        assert_eq!(mode(&place.path), 0o700);
        let link = Place { path: at.path().join("link"), owner: place.owner };
        std::os::unix::fs::symlink(&place.path, &link.path).unwrap();
        assert!(link.open().is_none() && link.make().is_err());
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_told() {
        let place =
            |len: usize| Place { path: format!("/{}", "x".repeat(len)).into(), owner: Uid::effective() };
        let address: Address = "0000:00:03.0".parse().unwrap();
        assert_eq!(place(88).socket(address).unwrap().as_os_str().len(), LONGEST);
        let error = place(89).socket(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Precondition);
        assert!(error.to_string().contains("has 108 bytes, and a socket's has 107 at most"), "{error}");
    }
}
