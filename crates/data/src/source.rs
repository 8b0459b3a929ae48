//! Where a data set is read from: the plan's data section with its paths resolved.

use std::path::{Path, PathBuf};

use augtrial_plan::Plan;
use augtrial_plan::dataset::Dataset;

/// A data set to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    root: PathBuf,
    pub(super) layout: Layout,
    pub(super) synthetic: bool,
}

/// How the images of a data set are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One folder of images per class, with further folders inside if need be, and with folders of parts above them if the
    /// data set prescribes its parts.
    Folder {
        /// In the order of their indices; the folders' names in alphabetical order if absent.
        classes: Option<Vec<String>>,
    },
    /// Lines of `<file name> <label>`; the image is `<root>/<class>/<file name>`.
    Index {
        /// In the order of the labels.
        classes: Vec<String>,
        first_label: u32,
        train: PathBuf,
        validation: Option<PathBuf>,
        test: PathBuf,
    },
    /// A table with columns `path`, `class` and, if wanted, `split` and `group`.
    Csv {
        file: PathBuf,
        /// In the order of their indices; alphabetical if absent.
        classes: Option<Vec<String>>,
    },
}

impl Source {
    /// The images below `root`, listed as `layout` says.
    #[must_use]
    pub fn new(root: PathBuf, layout: Layout) -> Self {
        // The folder that a bare file name is in.
        let root = if root.as_os_str().is_empty() { PathBuf::from(".") } else { root };
        Self { root, layout, synthetic: false }
    }

    /// A folder that this program rendered: class folders in the renderer's order of classes.
    #[must_use]
    pub fn rendered(root: PathBuf, classes: Vec<String>) -> Self {
        Self { root, layout: Layout::Folder { classes: Some(classes) }, synthetic: true }
    }

    /// The data set of a plan; nothing if its images must be rendered or extracted first.
    #[must_use]
    pub fn from_plan(plan: &Plan) -> Option<Self> {
        let path = |path: &str| plan.resolve_path(path);
        Some(match &plan.dataset {
            Dataset::Folder(folder) => {
                Self::new(path(&folder.path), Layout::Folder { classes: folder.classes.clone() })
            }
            Dataset::Index(index) => Self::new(
                path(&index.path),
                Layout::Index {
                    classes: index.classes.clone(),
                    first_label: index.first_label,
                    train: path(&index.train),
                    validation: index.validation.as_deref().map(path),
                    test: path(&index.test),
                },
            ),
            Dataset::Csv(csv) => {
                let file = path(&csv.file);
                let beside = || file.parent().unwrap_or(Path::new("")).to_owned();
                let root = csv.root.as_deref().map_or_else(beside, path);
                Self::new(root, Layout::Csv { file, classes: csv.classes.clone() })
            }
            Dataset::Parquet(_) | Dataset::Synthetic(_) => return None,
        })
    }

    /// The folder that the paths of the manifest are relative to.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }
}
