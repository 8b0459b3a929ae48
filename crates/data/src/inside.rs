//! The one check of names that become paths: a name from a table, an index or a plan stays inside its root.

use std::path::{Component, Path, PathBuf};

/// A folder that listed paths lie in.
#[derive(Clone, Debug)]
pub struct Root {
    path: PathBuf,
    /// The same folder as others may spell it, for paths that are listed absolutely.
    absolute: Vec<PathBuf>,
}

/// Why a listed path cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Escape {
    #[error("the path is empty")]
    Empty,
    #[error("the path leads out of its folder")]
    Outside,
}

impl Root {
    /// The folder at `path`, which may be relative.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let spellings = [Some(path.to_owned()), std::path::absolute(path).ok(), path.canonicalize().ok()];
        let absolute = spellings.into_iter().flatten().filter(|path| path.is_absolute()).collect();
        Self { path: path.to_owned(), absolute }
    }

    /// The folder, as it was named.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a listed path into its one spelling: below the root, parts joined by `/`. Backslashes are taken for the
    /// separators of Windows, unless a file is called so.
    ///
    /// # Errors
    /// If it leads outside of the root, by its spelling, or is empty. Links inside the root are whoever set them's.
    pub fn confine(&self, listed: &str) -> Result<String, Escape> {
        let foreign = cfg!(unix) && listed.contains('\\') && !self.path.join(listed).exists();
        let listed = if foreign { listed.replace('\\', "/") } else { listed.to_owned() };
        let path = Path::new(&listed);
        let below = if path.is_absolute() {
            self.absolute.iter().find_map(|root| path.strip_prefix(root).ok()).ok_or(Escape::Outside)?
        } else {
            path
        };
        let mut parts = Vec::new();
        for component in below.components() {
            match component {
                Component::Normal(part) => parts.push(part.to_str().ok_or(Escape::Outside)?),
                Component::CurDir => {}
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(Escape::Outside),
            }
        }
        match parts[..] {
            [] => Err(Escape::Empty),
            // `C:\data\1.png` where drives have no letters.
            [drive, ..] if foreign && drive.len() == 2 && drive.ends_with(':') => Err(Escape::Outside),
            _ => Ok(parts.join("/")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_inside_have_one_spelling_and_the_others_are_refused() {
        let root = Root::new(Path::new("/data/images"));
        for (listed, expected) in [
            ("x/1.png", Ok("x/1.png")),
            ("./x//1.png", Ok("x/1.png")),
            ("/data/images/x/1.png", Ok("x/1.png")),
            ("", Err(Escape::Empty)),
            (".", Err(Escape::Empty)),
            ("/data/images", Err(Escape::Empty)),
            ("../1.png", Err(Escape::Outside)),
            ("x/../../1.png", Err(Escape::Outside)),
            ("/etc/passwd", Err(Escape::Outside)),
            ("/data/imagesque/1.png", Err(Escape::Outside)),
        ] {
            assert_eq!(root.confine(listed).as_deref(), expected.as_deref(), "{listed}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn backslashes_are_separators_unless_a_file_is_called_so() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("odd\\name.png"), b"").unwrap();
        let root = Root::new(folder.path());
        assert_eq!(root.confine("x\\1.png").as_deref(), Ok("x/1.png"));
        assert_eq!(root.confine("odd\\name.png").as_deref(), Ok("odd\\name.png"));
        assert_eq!(root.confine("..\\1.png"), Err(Escape::Outside));
        assert_eq!(root.confine("C:\\data\\1.png"), Err(Escape::Outside));
    }

    #[test]
    fn an_absolute_path_lies_inside_a_root_that_is_named_relatively() {
        let here = std::env::current_dir().unwrap();
        let root = Root::new(Path::new("src"));
        assert_eq!(root.confine(here.join("src/lib.rs").to_str().unwrap()).as_deref(), Ok("lib.rs"));
    }
}
