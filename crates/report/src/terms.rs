//! The words of the arms' table and of every interval, explained. Those of the contrasts stand beside their values.

/// Terms and what they mean.
const TERMS: [(&str, &str); 7] = [
    (
        "t interval",
        "covers the mean over seeds that one would find in the long run, in as many studies as its level says, if values over \
         seeds are about normal",
    ),
    ("SD", "standard deviation over seeds"),
    ("SE", "standard error of the mean: SD divided by the square root of the number of seeds"),
    ("IQM", "interquartile mean: the mean without the lowest and the highest quarter of the seeds"),
    ("pair", "the two runs of one seed: same division of the data, same initial weights, same random streams"),
    ("margin", "the largest difference that does not matter, as the experiment file declares it"),
    ("recall", "share of a class's test images that are given this class"),
];

pub(super) fn terms() -> Vec<(String, String)> {
    TERMS.iter().map(|(term, meaning)| ((*term).to_owned(), (*meaning).to_owned())).collect()
}
