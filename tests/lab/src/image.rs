//! Prebuilt disks: made once inside the lab by the scripts in `images/`, kept under
//! `target/lab/images`, and named by what made them, so that a change makes new ones.
//!
//! Must not know: what the scripts put on the disks.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::disk::tool;
use crate::{Disk, Lab, place};

const BUILD_LIMIT: Duration = Duration::from_secs(600);
const SYSTEM_MIB: u64 = 1024;

/// A set of disks that machines start from copies of; the first is the system disk.
#[derive(Debug, Clone)]
pub struct Image {
    disks: Vec<PathBuf>,
}

struct Recipe {
    name: &'static str,
    /// The image whose system disk it starts from; none means a newly formatted one.
    base: Option<&'static str>,
    /// Further disks, in MiB.
    disks: &'static [u64],
}

const RECIPES: &[Recipe] = &[
    Recipe { name: "bare", base: None, disks: &[] },
    Recipe { name: "postgres", base: Some("bare"), disks: &[2048, 1536] },
    Recipe { name: "postgres-wal", base: Some("bare"), disks: &[2560, 2048] },
];

const PACKAGES: &[&str] =
    &["user-mode-linux", "lvm2", "xfsprogs", "e2fsprogs", "postgresql-15", "postgresql-common"];

impl Image {
    /// The image of that name, built first if there is none of the present recipe (the build
    /// takes about half a minute; parallel callers wait for one build).
    pub fn named(name: &str) -> Result<Self> {
        let recipe = recipe(name)?;
        let images = place::made(&place::lab_folder()?.join("images"))?;
        let folder = images.join(format!("{name}-{:016x}", recipe.key()?));
        let lock_path = images.join(format!("{name}.lock"));
        let lock = File::create(&lock_path).with_context(|| format!("make {}", lock_path.display()))?;
        lock.lock().with_context(|| format!("lock {}", lock_path.display()))?;
        if !folder.is_dir() {
            recipe.build(&folder).with_context(|| format!("build the lab image '{name}'"))?;
            remove_outdated(&images, name, &folder)?;
        }
        Ok(Self { disks: recipe.files(&folder) })
    }

    /// The names that [`Image::named`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        RECIPES.iter().map(|recipe| recipe.name)
    }

    /// The image's disk files, the system disk first. They must not be written to.
    pub fn disks(&self) -> &[PathBuf] {
        &self.disks
    }
}

fn recipe(name: &str) -> Result<&'static Recipe> {
    RECIPES.iter().find(|recipe| recipe.name == name).with_context(|| {
        let known: Vec<_> = Image::names().collect();
        format!("there is no image '{name}'; there are {}", known.join(", "))
    })
}

impl Recipe {
    fn files(&self, folder: &Path) -> Vec<PathBuf> {
        (0..=self.disks.len()).map(|position| folder.join(format!("ubd{position}.img"))).collect()
    }

    /// A number that differs when anything differs that goes into the image.
    fn key(&self) -> Result<u64> {
        let mut hash = DefaultHasher::new();
        for script in ["boot/init", "images/cluster.sh"] {
            hash.write(&read(&place::scripts().join(script))?);
        }
        let mut next = Some(self);
        while let Some(recipe) = next {
            hash.write(&read(&recipe.script())?);
            hash.write(format!("{SYSTEM_MIB} {:?}", recipe.disks).as_bytes());
            next = recipe.base.map(self::recipe).transpose()?;
        }
        let versions = Command::new("dpkg-query")
            .args(["-W", "-f", "${Package} ${Version}\n"])
            .args(PACKAGES)
            .output()
            .context("ask dpkg-query for package versions")?;
        ensure!(
            versions.status.success(),
            "packages that the lab needs are missing (run tests/setup): {}",
            String::from_utf8_lossy(&versions.stderr).trim()
        );
        hash.write(&versions.stdout);
        Ok(hash.finish())
    }

    fn script(&self) -> PathBuf {
        place::scripts().join("images").join(self.name)
    }

    /// Builds beside the final place and moves there at the end, so that what is there is whole.
    fn build(&self, folder: &Path) -> Result<()> {
        let scratch = place::scratch(&format!("build-{}", self.name))?;
        let disks = self.files(scratch.path());
        match self.base {
            Some(base) => drop(Disk::copy(&Image::named(base)?.disks()[0], &disks[0])?),
            None => format(&disks[0])?,
        }
        let mut lab = Lab::new(scratch.path())?.disk(Disk::existing(&disks[0]));
        for (file, mib) in disks[1..].iter().zip(self.disks) {
            lab = lab.disk(Disk::empty(file, *mib)?);
        }
        let job = String::from_utf8(read(&self.script())?).context("the script is not UTF-8")?;
        lab.run(&job, BUILD_LIMIT)?.success()?;
        fs::rename(scratch.keep(), folder).with_context(|| format!("move the image to {}", folder.display()))
    }
}

/// Removes the image's builds of other recipes: machines run on copies, so nobody needs them.
fn remove_outdated(images: &Path, name: &str, present: &Path) -> Result<()> {
    for entry in fs::read_dir(images).with_context(|| format!("list {}", images.display()))? {
        let path = entry.with_context(|| format!("list {}", images.display()))?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let key = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')).unwrap_or("");
        if key.len() == 16 && key.bytes().all(|byte| byte.is_ascii_hexdigit()) && path != present {
            fs::remove_dir_all(&path).with_context(|| format!("remove {}", path.display()))?;
        }
    }
    Ok(())
}

fn format(disk: &Path) -> Result<()> {
    Disk::empty(disk, SYSTEM_MIB)?;
    tool(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(disk))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}
