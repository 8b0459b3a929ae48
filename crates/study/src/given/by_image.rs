//! A table with a row for each prediction: arm, seed, image, label, predicted class. It says more than a table of runs: with
//! predictions, conclusions reach beyond the test set.

use std::collections::BTreeMap;

use augtrial_base::text;
use augtrial_base::words::plural;
use augtrial_compare::{Excluded, Metric, RunResult, TestImage};
use augtrial_plan::file::PrimaryMetric;
use augtrial_stats::Answer;
use augtrial_tables::Table;
use augtrial_trial::problem_of_probabilities;

use super::columns::Columns;
use super::error::GivenError;
use super::rows::{Known, wrong};
use super::{GivenOptions, Tabulated};

/// An image, as the rows have it.
struct Image {
    name: String,
    label: u32,
    cluster: u32,
}

/// The images and labels that were met, by their names.
#[derive(Default)]
struct Met {
    images: Vec<Image>,
    positions: BTreeMap<String, usize>,
    labels: BTreeMap<String, u32>,
    clusters: BTreeMap<String, u32>,
}

/// A run's rows: of each image, the row and what it says.
struct Run {
    name: String,
    rows: BTreeMap<usize, (usize, Said)>,
}

/// What a row says of an image.
#[derive(Clone, Copy)]
struct Said {
    predicted: u32,
    /// With probabilities, where the table has them.
    answer: Option<Answer>,
}

pub fn by_image(table: &Table, columns: &Columns, options: &GivenOptions) -> Result<Tabulated, GivenError> {
    let mut known = Known::new(table, columns);
    let mut met = Met::default();
    let mut runs: BTreeMap<(usize, u64), Run> = BTreeMap::new();
    let mut reasons: BTreeMap<(usize, u64), String> = BTreeMap::new();
    let (_, _, predicted_column) = columns.image();
    // Why probabilities are not used: of the table, or of the first row where it is so.
    let mut unused = columns.unused.clone();
    for row in 0..table.height() {
        let place = known.place(row)?;
        if let Some(reason) = known.excluded(row) {
            reasons.insert((place.arm, place.seed), reason);
            continue;
        }
        let image = met.image(table, columns, row)?;
        let predicted = table.get(row, predicted_column).to_string();
        if predicted.is_empty() {
            return Err(wrong(table, row, predicted_column, "no class"));
        }
        let predicted = met.label(&predicted);
        let answer = answer(table, columns, row, (met.images[image].label, predicted))?;
        if answer.is_none() && !columns.probabilities.is_empty() {
            unused.get_or_insert_with(|| misfit(table, columns, row));
        }
        let said = Said { predicted, answer };
        let name = known.run(row);
        let run = runs.entry((place.arm, place.seed)).or_insert_with(|| Run { name, rows: BTreeMap::new() });
        if let Some((first, _)) = run.rows.insert(image, (row, said)) {
            let (arm, image) = (known.arms[place.arm].name.clone(), met.images[image].name.clone());
            return Err(GivenError::TwoPredictions { first: first + 1, second: row + 1, image, arm, seed: place.seed });
        }
    }
    let metric = options.metric.unwrap_or_default();
    for (&(arm, seed), run) in &runs {
        let result = result(run, seed, (metric, unused.as_deref()), &met.images, &known.arms[arm].name)?;
        known.arms[arm].runs.push(result);
    }
    for ((arm, seed), reason) in reasons.into_iter().filter(|(cell, _)| !runs.contains_key(cell)) {
        known.arms[arm].excluded.push(Excluded { seed, reason });
    }
    let mut facts = vec![format!(
        "{} rows, one for each prediction: {} of {}",
        table.height(),
        plural(runs.len(), "run"),
        plural(met.images.len(), "test image")
    )];
    facts.extend(columns.unused.clone().or_else(|| {
        let without = known.arms.iter().flat_map(|arm| &arm.runs).filter(|run| run.answers.is_empty()).count();
        unused.map(|why| format!("the probabilities of {without} of {} are not used: {why}", plural(runs.len(), "run")))
    }));
    let images = met.images.iter().map(|image| TestImage { label: image.label, cluster: image.cluster }).collect();
    Ok(Tabulated { arms: known.arms, images, metric, facts })
}

fn result(
    run: &Run,
    seed: u64,
    (metric, unused): (PrimaryMetric, Option<&str>),
    images: &[Image],
    arm: &str,
) -> Result<RunResult, GivenError> {
    if let Some(missing) = (0..images.len()).find(|image| !run.rows.contains_key(image)) {
        return Err(GivenError::MissingImage { arm: arm.to_owned(), seed, image: images[missing].name.clone() });
    }
    let title = Metric::of(metric).title;
    let pairs = images.iter().zip(run.rows.values());
    let correct = pairs.clone().map(|(image, (_, said))| image.label == said.predicted).collect();
    // All of them or none: a metric of some of the images would be another metric.
    let answers: Vec<Answer> =
        pairs.clone().map(|(_, (_, said))| said.answer).collect::<Option<_>>().unwrap_or_default();
    let value = if answers.is_empty() {
        if !WITHOUT_PROBABILITIES.contains(&metric) {
            let why = unused.map_or_else(String::new, |why| format!("; {why}"));
            return Err(GivenError::NoProbabilities { title, why });
        }
        let sure = |(image, (_, said)): (&Image, &(usize, Said))| Answer {
            label: image.label,
            predicted: said.predicted,
            of_label: f64::from(u8::from(image.label == said.predicted)),
            of_predicted: 1.0,
            squares: 1.0,
        };
        (Metric::of(metric).value)(&pairs.map(sure).collect::<Vec<_>>())
    } else {
        (Metric::of(metric).value)(&answers)
    };
    let value = value.map_err(|_| GivenError::NoValue { arm: arm.to_owned(), seed, title })?;
    Ok(RunResult { seed, value, run: run.name.clone(), correct, answers })
}

/// Metrics of the predicted class alone.
const WITHOUT_PROBABILITIES: [PrimaryMetric; 4] =
    [PrimaryMetric::Top1, PrimaryMetric::BalancedTop1, PrimaryMetric::MacroF1, PrimaryMetric::WorstClassRecall];

/// The answer of a row, if the table has a probability for every class, and classes that are their numbers.
fn answer(
    table: &Table,
    columns: &Columns,
    row: usize,
    (label, predicted): (u32, u32),
) -> Result<Option<Answer>, GivenError> {
    let (_, label_column, predicted_column) = columns.image();
    let class = |column: usize| u32::try_from(table.get(row, column).whole()?).ok();
    let probability = |&column: &usize| table.get(row, column).number().map(|value| value as f32);
    let probabilities: Option<Vec<f32>> = columns.probabilities.iter().map(probability).collect();
    let (Some(probabilities), Some(of_label), Some(of_predicted)) =
        (probabilities, class(label_column), class(predicted_column))
    else {
        return Ok(None);
    };
    let Some(answer) = Answer::new(of_label, of_predicted, &probabilities) else { return Ok(None) };
    match problem_of_probabilities(&probabilities) {
        Some(problem) => Err(GivenError::Probabilities { row: row + 1, problem }),
        None => Ok(Some(Answer { label, predicted, ..answer })),
    }
}

/// Why the probabilities of a row are of no use, and what to do.
fn misfit(table: &Table, columns: &Columns, row: usize) -> String {
    let (_, label, predicted) = columns.image();
    let (number, last) = (row + 1, columns.probabilities.len() - 1);
    for column in [label, predicted] {
        let (name, value) = (&table.names()[column], table.get(row, column));
        match value.whole() {
            Some(class) if class <= last as u64 => {}
            Some(class) => {
                return format!(
                    "row {number} has class {class} in `{name}`, and the columns `p_0` to `p_{last}` are those of classes 0 to \
                     {last}: count classes from 0, and give every class a column"
                );
            }
            None => {
                let value = text::reason(&value.to_string());
                return format!(
                    "row {number} has `{value}` in `{name}`: write classes as their numbers, counted from 0, so that it is known \
                     which of the columns `p_0` to `p_{last}` is theirs"
                );
            }
        }
    }
    let gap = columns.probabilities.iter().find(|&&column| table.get(row, column).number().is_none());
    let name = gap.map_or("", |&column| table.names()[column].as_str());
    format!("row {number} has no number in `{name}`: give a probability for every class in every row")
}

impl Met {
    /// The position of a row's image, which has the same label in every row.
    fn image(&mut self, table: &Table, columns: &Columns, row: usize) -> Result<usize, GivenError> {
        let (image_column, label_column, _) = columns.image();
        let (name, label) = (table.get(row, image_column).to_string(), table.get(row, label_column).to_string());
        for (text, column, needs) in [(&name, image_column, "no name of an image"), (&label, label_column, "no class")]
        {
            if text.is_empty() {
                return Err(wrong(table, row, column, needs));
            }
        }
        let number = self.label(&label);
        if let Some(&position) = self.positions.get(&name) {
            let known = self.images[position].label;
            if known != number {
                let other =
                    self.labels.iter().find(|(_, label)| **label == known).map_or("", |(name, _)| name).to_owned();
                return Err(GivenError::TwoLabels { row: row + 1, image: name, label, other });
            }
            return Ok(position);
        }
        let group = columns.group.map(|column| table.get(row, column).to_string()).filter(|group| !group.is_empty());
        let cluster = group.map_or_else(|| format!("image {name}"), |group| format!("group {group}"));
        let next = self.clusters.len() as u32;
        let cluster = *self.clusters.entry(cluster).or_insert(next);
        self.positions.insert(name.clone(), self.images.len());
        self.images.push(Image { name, label: number, cluster });
        Ok(self.images.len() - 1)
    }

    /// The number of a class. `1` and `1.0` are one: tools write whole numbers either way.
    fn label(&mut self, name: &str) -> u32 {
        let name = name.strip_suffix(".0").unwrap_or(name);
        let next = self.labels.len() as u32;
        *self.labels.entry(name.to_owned()).or_insert(next)
    }
}
