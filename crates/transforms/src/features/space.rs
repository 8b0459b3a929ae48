//! Features of the training part, with the neighbors of every sample.

/// Partial sums of a distance, so that the compiler makes vector code of it. Their number decides the last bits.
const LANES: usize = 16;

/// Features of samples of known classes, the training part alone: what neighbors are looked for in.
#[derive(Clone, Debug)]
pub struct FeatureSpace {
    /// `[N, F]`
    values: Vec<f32>,
    width: usize,
    /// `[N]`, classes.
    labels: Vec<u32>,
    /// Of each sample the nearest of its class, the nearest first.
    neighbors: Vec<Vec<usize>>,
    /// `[F]`, standard deviation of each feature.
    deviations: Vec<f32>,
}

impl FeatureSpace {
    /// Of features `[N, F]` with `F` = `width`, and the class of each sample, with so many neighbors of each. A sample whose class
    /// has fewer others has as many as there are.
    ///
    /// # Panics
    /// If there is not one row of features for each label.
    #[must_use]
    pub fn new(values: Vec<f32>, width: usize, labels: Vec<u32>, neighbors: usize) -> Self {
        assert_eq!(values.len(), width * labels.len(), "one row of features for each label");
        let deviations = deviations(&values, width);
        let mut space = Self { neighbors: vec![Vec::new(); labels.len()], values, width, labels, deviations };
        if neighbors > 0 {
            space.neighbors = (0..space.len()).map(|sample| space.nearest(sample, neighbors)).collect();
        }
        space
    }

    /// Number of samples, `N`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Number of features of a sample, `F`.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The class of each sample.
    #[must_use]
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The samples of a class.
    pub fn of_class(&self, class: u32) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter(move |&sample| self.labels[sample] == class)
    }

    /// The features of a sample, `[F]`.
    #[must_use]
    pub fn row(&self, sample: usize) -> &[f32] {
        &self.values[sample * self.width..][..self.width]
    }

    /// The nearest samples of the same class by Euclidean distance, the nearest first; of equal ones, the first of the set.
    #[must_use]
    pub fn neighbors(&self, sample: usize) -> &[usize] {
        &self.neighbors[sample]
    }

    /// Standard deviation of each feature over all samples, `[F]`.
    #[must_use]
    pub fn deviations(&self) -> &[f32] {
        &self.deviations
    }

    fn nearest(&self, sample: usize, count: usize) -> Vec<usize> {
        let others = self.of_class(self.labels[sample]).filter(|&other| other != sample);
        let mut found: Vec<(f32, usize)> =
            others.map(|other| (squared_distance(self.row(sample), self.row(other)), other)).collect();
        let order = |a: &(f32, usize), b: &(f32, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if count < found.len() {
            found.select_nth_unstable_by(count, order);
            found.truncate(count);
        }
        found.sort_unstable_by(order);
        found.into_iter().map(|(_, other)| other).collect()
    }
}

fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            let difference = a[lane] - b[lane];
            sums[lane] += difference * difference;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b)).sum();
    sums.iter().sum::<f32>() + rest
}

/// Of every column of `[N, width]`: the root of the mean squared distance from its mean, in double precision.
fn deviations(values: &[f32], width: usize) -> Vec<f32> {
    let count = values.len().checked_div(width).unwrap_or(0).max(1) as f64;
    let mean_of = |of: &dyn Fn(usize, f64) -> f64| -> Vec<f64> {
        let mut sums = vec![0.0; width];
        for row in values.chunks_exact(width.max(1)) {
            for (column, (sum, &value)) in sums.iter_mut().zip(row).enumerate() {
                *sum += of(column, f64::from(value));
            }
        }
        sums.iter().map(|sum| sum / count).collect()
    };
    let means = mean_of(&|_, value| value);
    mean_of(&|column, value| (value - means[column]).powi(2)).iter().map(|variance| variance.sqrt() as f32).collect()
}
