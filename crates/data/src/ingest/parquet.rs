//! Parquet shards as Hugging Face's `datasets` writes them: a column of images, each the bytes of a file, and a column of labels,
//! whose names stand in the file's metadata under `huggingface` (`datasets.features.ClassLabel`).
//!
//! A shard is read row by row, a page of a column at a time, so that memory does not grow with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, ParquetMetaData};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::types::Type;

use super::error::{FileLine, IngestError, KnownNames, quoted};
use augtrial_base::events::Split;
use augtrial_base::words::nearest;
use augtrial_plan::dataset::Parquet;
use augtrial_plan::declared::{self, part_named};

/// Key of the metadata in which `datasets` describes the columns.
const HUGGING_FACE: &str = "huggingface";
/// Rows whose fields are decoded together.
const BATCH_ROWS: usize = 16;

/// The shards of a data set, by their names alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shards {
    /// The folder that the names are relative to.
    pub(crate) root: PathBuf,
    /// With `/`, sorted; and the part that a name gives, if names give parts.
    pub(crate) files: Vec<(String, Option<Split>)>,
}

impl Shards {
    /// The shards that a plan names: one file, or all below a folder.
    ///
    /// # Errors
    /// If there are none, or some names give a part and others do not.
    pub(crate) fn find(path: &Path, columns: &Parquet) -> Result<Self, IngestError> {
        let (root, names) = declared::shards(path).map_err(IngestError::unreadable(path))?;
        let place = FileLine::file(path);
        if names.is_empty() {
            let problem = "no file in it ends in .parquet: name a shard, or the folder of the shards".to_owned();
            return Err(IngestError::Malformed { place, problem });
        }
        let parts = if columns.split.is_some() { None } else { declared::parts_of_shards(&names) };
        let named = names.iter().filter(|name| declared::part_of_shard(name).is_some()).count();
        if columns.split.is_none() && named > 0 && named < names.len() {
            let other = names.iter().find(|name| declared::part_of_shard(name).is_none());
            let other = other.map_or("", String::as_str);
            let problem = format!(
                "{named} of {} shards are named after a part, and {other} is not: name all like `train-00000.parquet`, or none",
                names.len()
            );
            return Err(IngestError::Malformed { place, problem });
        }
        let part = |index: usize| parts.as_ref().map(|parts| parts[index]);
        let files = names.into_iter().enumerate().map(|(index, name)| (name, part(index))).collect();
        Ok(Self { root, files })
    }

    /// Where a shard is.
    pub(crate) fn path(&self, index: usize) -> PathBuf {
        self.root.join(&self.files[index].0)
    }
}

/// How labels are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Labels {
    /// Numbers from 0, named by the plan or by the metadata.
    Numbers(Vec<String>),
    /// Names.
    Names,
}

/// An open shard.
pub(crate) struct Shard {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    projection: Type,
    pub(crate) labels: Labels,
}

/// One image of a shard.
pub(crate) struct ShardImage {
    pub(crate) bytes: Vec<u8>,
    pub(crate) label: Label,
    pub(crate) split: Option<Split>,
}

/// The class of an image, as its shard tells it.
pub(crate) enum Label {
    Number(u32),
    Name(String),
}

impl Shard {
    /// Opens a shard, and finds its columns.
    ///
    /// # Errors
    /// If it is no Parquet file, lacks a column, or does not name the classes of its numbers.
    pub(crate) fn open(path: &Path, columns: &Parquet) -> Result<Self, IngestError> {
        let file = File::open(path).map_err(IngestError::unreadable(path))?;
        let length = file.metadata().map_err(IngestError::unreadable(path))?.len();
        let reader = guarded(path, || SerializedFileReader::new(file).map_err(|error| refused(path, &error)))?;
        let malformed = |problem: String| IngestError::Malformed { place: FileLine::file(path), problem };
        if !lies_inside(reader.metadata(), length) {
            return Err(malformed(
                "its columns lie outside of the file: it is damaged, or not all of it is here".to_owned(),
            ));
        }
        let about = reader.metadata().file_metadata();
        let schema = about.schema();
        let find = |wanted: &str, key: &str| {
            let field = schema.get_fields().iter().find(|field| field.name() == wanted);
            field.cloned().ok_or_else(|| malformed(missing(schema, wanted, key)))
        };
        let image = find(&columns.image, "image")?;
        if image.is_group() && !image.get_fields().iter().any(|field| field.name() == "bytes") {
            return Err(malformed(format!("the column `{}` has no field `bytes`: it holds no images", columns.image)));
        }
        let label = find(&columns.label, "label")?;
        let labels = labels(about, columns, &label).map_err(malformed)?;
        let mut fields = vec![image, label];
        if let Some(split) = &columns.split {
            fields.push(find(split, "split")?);
        }
        let projection = Type::group_type_builder(schema.name()).with_fields(fields).build();
        let projection = projection.map_err(|error| refused(path, &error))?;
        Ok(Self { path: path.to_owned(), reader, projection, labels })
    }

    /// Number of images.
    pub(crate) fn rows(&self) -> u64 {
        u64::try_from(self.reader.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Shows every image with its row, from 0, in order.
    ///
    /// # Errors
    /// If the shard is damaged, a row has no image, label or part that can be used, or `see` says so.
    pub(crate) fn visit(
        &self,
        columns: &Parquet,
        mut see: impl FnMut(u64, ShardImage) -> Result<(), IngestError>,
    ) -> Result<(), IngestError> {
        guarded(&self.path, || {
            let rows = self.reader.get_row_iter(Some(self.projection.clone()));
            let rows = rows.map_err(|error| refused(&self.path, &error))?.with_batch_size(BATCH_ROWS);
            for (number, row) in rows.enumerate() {
                let row = row.map_err(|error| refused(&self.path, &error))?;
                let image = self.image(row, columns).map_err(|problem| IngestError::Malformed {
                    place: FileLine::file(&self.path),
                    problem: format!("row {}: {problem}", number + 1),
                })?;
                see(number as u64, image)?;
            }
            Ok(())
        })
    }

    fn image(&self, row: Row, columns: &Parquet) -> Result<ShardImage, String> {
        let mut fields: BTreeMap<String, Field> = row.into_columns().into_iter().collect();
        let mut take = |name: &str| fields.remove(name).unwrap_or(Field::Null);
        let (image, label) = (take(&columns.image), take(&columns.label));
        let split = columns.split.as_deref().map(|column| part(&take(column))).transpose()?;
        Ok(ShardImage { bytes: bytes(image)?, label: self.label(label)?, split })
    }

    fn label(&self, field: Field) -> Result<Label, String> {
        let number = match field {
            Field::Str(name) => return Ok(Label::Name(name)),
            Field::Null => return Err("it has no label: leave such rows out".to_owned()),
            Field::Byte(number) => i64::from(number),
            Field::Short(number) => i64::from(number),
            Field::Int(number) => i64::from(number),
            Field::Long(number) => number,
            Field::UByte(number) => i64::from(number),
            Field::UShort(number) => i64::from(number),
            Field::UInt(number) => i64::from(number),
            Field::ULong(number) => i64::try_from(number).unwrap_or(i64::MAX),
            Field::Bool(flag) => i64::from(flag),
            other => return Err(format!("its label is neither a number nor a name: {other}")),
        };
        let Labels::Numbers(classes) = &self.labels else { return Err(format!("its label is no name: {number}")) };
        match u32::try_from(number) {
            Ok(label) if (label as usize) < classes.len() => Ok(Label::Number(label)),
            _ if number == -1 => {
                Err("its label is -1, as in a test part whose labels are kept back: leave that shard out, \
                                      in a folder of the others"
                    .to_owned())
            }
            _ => Err(format!("its label {number} is out of range: labels go from 0 to {}", classes.len() - 1)),
        }
    }
}

/// What the shards of a data set hold together, by their metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    /// Of the plan, or of the metadata; nothing where labels are names, so that reading finds the classes.
    pub(crate) classes: Option<Vec<String>>,
    pub(crate) images: u64,
}

impl Shards {
    /// Opens every shard, and compares their columns and classes.
    ///
    /// # Errors
    /// If one cannot be read, or two name their classes differently.
    pub(crate) fn contents(&self, columns: &Parquet) -> Result<Contents, IngestError> {
        let mut first: Option<Labels> = None;
        let mut images = 0;
        for index in 0..self.files.len() {
            let shard = Shard::open(&self.path(index), columns)?;
            images += shard.rows();
            match &first {
                None => first = Some(shard.labels),
                Some(labels) if *labels == shard.labels => {}
                Some(_) => {
                    let place = FileLine::file(&self.path(index));
                    let first = self.path(0);
                    let problem =
                        format!("it names other classes than {}: say with `classes` which ones hold", first.display());
                    return Err(IngestError::Malformed { place, problem });
                }
            }
        }
        let classes = match first {
            Some(Labels::Numbers(names)) => Some(names),
            Some(Labels::Names) | None => columns.classes.clone(),
        };
        Ok(Contents { classes, images })
    }
}

/// Refuses a class that a shard names, unless it is one of these.
///
/// # Errors
/// If it is none of them.
pub(crate) fn refuse_unknown(name: &str, classes: &[String], path: &Path) -> Result<(), IngestError> {
    if classes.iter().any(|class| class == name) {
        return Ok(());
    }
    let known = KnownNames::near(name, classes);
    Err(IngestError::UnknownClass { place: FileLine::file(path), class: name.to_owned(), known })
}

/// Whether every column lies in the file: nothing is allocated on the word of a header.
fn lies_inside(metadata: &ParquetMetaData, length: u64) -> bool {
    let columns = metadata.row_groups().iter().flat_map(parquet::file::metadata::RowGroupMetaData::columns);
    columns.into_iter().all(|column| {
        let starts = [Some(column.data_page_offset()), column.dictionary_page_offset()];
        let start = starts.into_iter().flatten().min().and_then(|start| u64::try_from(start).ok());
        let bytes = u64::try_from(column.compressed_size()).ok();
        start.zip(bytes).and_then(|(start, bytes)| start.checked_add(bytes)).is_some_and(|end| end <= length)
    })
}

fn labels(about: &FileMetaData, columns: &Parquet, label: &Arc<Type>) -> Result<Labels, String> {
    if label.is_group() {
        return Err(format!("the column `{}` is neither of numbers nor of names", columns.label));
    }
    if label.get_physical_type() == parquet::basic::Type::BYTE_ARRAY {
        return Ok(Labels::Names);
    }
    match columns.classes.clone().or_else(|| class_label(about, &columns.label)) {
        Some(names) if !names.is_empty() => Ok(Labels::Numbers(names)),
        _ => Err(format!(
            "the labels in `{}` are numbers, and nothing in the file names them: name them with `classes`, in their order",
            columns.label
        )),
    }
}

/// The names of a `ClassLabel`, as `datasets` keeps them: `{"info": {"features": {COLUMN: {"names": [...]}}}}`.
fn class_label(about: &FileMetaData, column: &str) -> Option<Vec<String>> {
    let entry = about.key_value_metadata()?.iter().find(|entry| entry.key == HUGGING_FACE)?;
    let value: serde_json::Value = serde_json::from_str(entry.value.as_deref()?).ok()?;
    let names = value["info"]["features"][column]["names"].as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

/// What to say of a column that is not there.
fn missing(schema: &Type, wanted: &str, key: &str) -> String {
    let names: Vec<String> = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
    let meant = nearest(wanted, names.iter().map(String::as_str)).map(str::to_owned);
    let others: BTreeSet<&str> = match key {
        "image" => ["img", "picture", "photo", "jpg", "png", "webp"].into(),
        "label" => ["labels", "fine_label", "class", "category", "target", "y", "cls"].into(),
        _ => BTreeSet::new(),
    };
    let meant = names.iter().find(|name| others.contains(name.to_lowercase().as_str())).cloned().or(meant);
    let help = meant.map_or_else(
        || format!("name it with `{key} = \"...\"`"),
        |meant| format!("write `{key} = \"{meant}\"`, if that is it"),
    );
    format!("there is no column `{wanted}` among {}: {help}", quoted(&names))
}

/// The bytes of an image: of a struct its `bytes`, or the column itself.
fn bytes(field: Field) -> Result<Vec<u8>, String> {
    let embedded = "it holds no bytes of its image; where a shard only names files, save it with its images embedded";
    let bytes = match field {
        Field::Group(row) => row.into_columns().into_iter().find(|(name, _)| name == "bytes").map(|(_, field)| field),
        other => Some(other),
    };
    match bytes {
        Some(Field::Bytes(bytes)) => Ok(bytes.data().to_vec()),
        Some(Field::Null) | None => Err(embedded.to_owned()),
        Some(_) => Err("its image is not of bytes".to_owned()),
    }
}

fn part(field: &Field) -> Result<Split, String> {
    let Field::Str(name) = field else { return Err("it names no part".to_owned()) };
    part_named(name).ok_or_else(|| format!("its part `{name}` is not one of `train`, `validation`, `test`"))
}

fn refused(path: &Path, error: &ParquetError) -> IngestError {
    let place = FileLine::file(path);
    IngestError::Malformed { place, problem: format!("it is not readable as Parquet: {error}") }
}

/// Files come from anywhere; a panic of the reader is a property of the file.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, IngestError>) -> Result<T, IngestError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let problem = "it is damaged: its reader panicked".to_owned();
        Err(IngestError::Malformed { place: FileLine::file(path), problem })
    })
}
