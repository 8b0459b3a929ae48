//! Label issues by confident learning (Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset
//! Labels", sections 3.1 and 3.2; `cleanlab.filter.find_label_issues` 2.9.0 with `filter_by="prune_by_noise_rate"`).
//!
//! The probabilities must be out of sample: no model may have been trained on the images that it is asked about. What is
//! found is a question and no verdict: people confirm about half of it (arXiv 2103.14749).

use serde::Serialize;

/// How near two probabilities must be to count as equal.
const SAME: f64 = 1e-6;
/// Smallest threshold of a class: above [`SAME`], so that a probability of 0 is never confident.
const LEAST_THRESHOLD: f64 = 2.0 * SAME;
/// Images that are left in a class in any case.
const LEFT_IN_CLASS: i64 = 1;
/// Values that numpy sums in one go; it halves longer lists.
const SUMMED_AT_ONCE: usize = 128;

/// A label that may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LabelIssue {
    /// Position in what was asked about.
    pub index: usize,
    /// Index of the class that it has.
    pub given: u32,
    /// Index of the class that the probabilities suggest.
    pub suggested: u32,
    /// Probability of the given class: low is suspect.
    pub self_confidence: f64,
    /// Half of 1 and the margin of the given class over the best other one, 0 to 1: low is suspect.
    pub normalized_margin: f64,
}

/// Why label issues cannot be looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    #[error("{labels} labels and {rows} rows of probabilities: each image needs one of both")]
    Length { labels: usize, rows: usize },
    #[error("image {index} has {have} probabilities, and there are {classes} classes")]
    Width { index: usize, have: usize, classes: usize },
    #[error("image {index} has class {label}, and there are {classes} classes")]
    Label { index: usize, label: u32, classes: usize },
    #[error("image {index} has the probability {value}, which is not between 0 and 1")]
    Probability { index: usize, value: String },
}

/// The labels that are most likely wrong, the most suspect first (by normalized margin, then by position). With labels of
/// fewer than two classes there is nothing to confuse, and none is found.
///
/// # Errors
/// If a row or a label does not fit `classes`, or a probability is none.
pub fn label_issues(labels: &[u32], probabilities: &[Vec<f64>], classes: usize) -> Result<Vec<LabelIssue>, LabelError> {
    validate(labels, probabilities, classes)?;
    let members: Vec<Vec<usize>> =
        (0..classes).map(|class| (0..labels.len()).filter(|&i| labels[i] as usize == class).collect()).collect();
    if members.iter().filter(|members| !members.is_empty()).count() < 2 {
        return Ok(Vec::new());
    }
    let joint = calibrated(confident_joint(labels, probabilities, &members), &members);
    let mut suspect = vec![false; labels.len()];
    for (given, members) in members.iter().enumerate().filter(|(_, members)| members.len() as i64 > LEFT_IN_CLASS) {
        for (suggested, count) in to_prune(&joint[given], given).into_iter().enumerate() {
            let margin = |i: usize| probabilities[i][suggested] - probabilities[i][given];
            let mut ordered = members.clone();
            ordered.sort_by(|&a, &b| margin(b).total_cmp(&margin(a)));
            ordered.into_iter().take(count).for_each(|i| suspect[i] = true);
        }
    }
    let agrees = |i: usize| predicted(&probabilities[i], labels[i] as usize) == labels[i] as usize;
    let found = (0..labels.len()).filter(|&i| suspect[i] && !agrees(i));
    let mut issues: Vec<LabelIssue> = found.map(|i| issue(i, labels[i], &probabilities[i])).collect();
    issues.sort_by(|a, b| a.normalized_margin.total_cmp(&b.normalized_margin).then(a.index.cmp(&b.index)));
    Ok(issues)
}

fn validate(labels: &[u32], probabilities: &[Vec<f64>], classes: usize) -> Result<(), LabelError> {
    if labels.len() != probabilities.len() {
        return Err(LabelError::Length { labels: labels.len(), rows: probabilities.len() });
    }
    for (index, (&label, row)) in labels.iter().zip(probabilities).enumerate() {
        if row.len() != classes {
            return Err(LabelError::Width { index, have: row.len(), classes });
        }
        if label as usize >= classes {
            return Err(LabelError::Label { index, label, classes });
        }
        if let Some(value) = row.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            return Err(LabelError::Probability { index, value: value.to_string() });
        }
    }
    Ok(())
}

/// Images by given class and by the class that they confidently belong to: of several, the most probable one. Every class
/// keeps at least one image that is labeled right.
fn confident_joint(labels: &[u32], probabilities: &[Vec<f64>], members: &[Vec<usize>]) -> Vec<Vec<i64>> {
    let classes = members.len();
    // t_k: the mean probability of class k among the images labeled k. A class without images is never confident.
    let threshold = |class: usize| match members[class].as_slice() {
        [] => f64::INFINITY,
        of => (sum(&of.iter().map(|&i| probabilities[i][class]).collect::<Vec<_>>()) / of.len() as f64)
            .max(LEAST_THRESHOLD),
    };
    let thresholds: Vec<f64> = (0..classes).map(threshold).collect();
    let mut joint = vec![vec![0; classes]; classes];
    for (&label, row) in labels.iter().zip(probabilities) {
        let confident: Vec<usize> = (0..classes).filter(|&class| row[class] >= thresholds[class] - SAME).collect();
        match confident[..] {
            [] => {}
            [only] => joint[label as usize][only] += 1,
            _ => joint[label as usize][argmax(row)] += 1,
        }
    }
    for (class, row) in joint.iter_mut().enumerate() {
        row[class] = row[class].max(1);
    }
    joint
}

/// The joint scaled so that its rows sum to the sizes of the classes, in whole numbers.
fn calibrated(joint: Vec<Vec<i64>>, members: &[Vec<usize>]) -> Vec<Vec<i64>> {
    let classes = members.len();
    let mut scaled: Vec<Vec<f64>> = Vec::with_capacity(classes);
    for (row, members) in joint.into_iter().zip(members) {
        let total: i64 = row.iter().sum();
        scaled.push(row.into_iter().map(|count| count as f64 / total as f64 * members.len() as f64).collect());
    }
    let by_suggestion: Vec<f64> = (0..classes).flat_map(|j| scaled.iter().map(move |row| row[j])).collect();
    let (total, images) = (sum(&by_suggestion), members.iter().map(Vec::len).sum::<usize>() as f64);
    scaled.into_iter().map(|row| rounded(&row.iter().map(|value| value / total * images).collect::<Vec<_>>())).collect()
}

/// Rounds to whole numbers whose sum is the rounded sum: the values that rounding moved most go the other way.
fn rounded(values: &[f64]) -> Vec<i64> {
    let mut whole: Vec<f64> = values.iter().map(|value| value.round_ties_even()).collect();
    let wanted = sum(values).round_ties_even();
    loop {
        let missing = wanted - whole.iter().sum::<f64>();
        if missing.abs() <= SAME {
            return whole.into_iter().map(|value| value as i64).collect();
        }
        let step = missing.signum();
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| (values[a] - whole[a]).total_cmp(&(values[b] - whole[b])));
        if step > 0.0 {
            order.reverse();
        }
        order.into_iter().take(missing.abs() as usize).for_each(|i| whole[i] += step);
    }
}

/// How many images of a class are taken for each other class, so that at least one stays.
fn to_prune(row: &[i64], given: usize) -> Vec<usize> {
    let right = row[given].max(LEFT_IN_CLASS);
    let others = (row.iter().filter(|&&count| count != 0).count() as f64 - 1.0).max(1.0);
    let less = (right - row[given]) as f64 / others;
    let count = |(class, &count): (usize, &i64)| {
        if class == given { 0 } else { (count as f64 - less).max(0.0) as usize }
    };
    row.iter().enumerate().map(count).collect()
}

/// The most probable class, where the given one wins if it is as probable as any.
fn predicted(row: &[f64], given: usize) -> usize {
    let mut row = row.to_vec();
    row[given] += SAME;
    argmax(&row)
}

/// The place of the largest value, of equals the first.
#[must_use]
pub fn argmax(row: &[f64]) -> usize {
    (0..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

fn issue(index: usize, given: u32, row: &[f64]) -> LabelIssue {
    let mut others = row.to_vec();
    others[given as usize] = f64::NEG_INFINITY;
    let suggested = argmax(&others);
    let self_confidence = row[given as usize];
    LabelIssue {
        index,
        given,
        suggested: suggested as u32,
        self_confidence,
        normalized_margin: f64::midpoint(self_confidence - row[suggested], 1.0),
    }
}

/// Sums as numpy does (pairwise, in eight lanes), so that a half is rounded to the same side.
fn sum(values: &[f64]) -> f64 {
    let n = values.len();
    if n < 8 {
        return values.iter().sum();
    }
    if n > SUMMED_AT_ONCE {
        let half = n / 2 - (n / 2) % 8;
        return sum(&values[..half]) + sum(&values[half..]);
    }
    let mut lanes: [f64; 8] = values[..8].try_into().expect("eight values");
    let mut chunks = values[8..].chunks_exact(8);
    for chunk in chunks.by_ref() {
        lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane += value);
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    chunks.remainder().iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |total, value| total + value)
}
