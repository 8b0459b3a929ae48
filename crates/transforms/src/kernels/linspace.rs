//! Evenly spaced numbers, bit for bit as torch's `linspace` in single precision.

/// Number `index` of `count` numbers from `first` to `last`. Torch counts from the nearer end, and rounds once.
pub(crate) fn linspace(first: f32, last: f32, count: usize, index: usize) -> f32 {
    if count < 2 {
        return first;
    }
    let step = f64::from((last - first) / (count - 1) as f32);
    let steps = |from_here: usize| step * from_here as f64;
    if index < count / 2 {
        (f64::from(first) + steps(index)) as f32
    } else {
        (f64::from(last) - steps(count - 1 - index)) as f32
    }
}
