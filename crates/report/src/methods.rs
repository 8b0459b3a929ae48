//! How the study was done, in paragraphs fit for a paper. Every work that they cite goes through [`Citations`], and so into
//! the list of references.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::references::Citations;
use super::{command, conduct, tuning};
use augtrial_base::catalog::Row;
use augtrial_base::numbers::p_phrase;
use augtrial_base::words::plural;
use augtrial_compare::{Comparison, Outcome, Refusal, STATISTICS, Tuning};
use augtrial_plan::Plan;
use augtrial_plan::arm::{Arm, Edit};
use augtrial_plan::balance::Balance;
use augtrial_plan::classifier::{Budget, EpochRule, Freeze, Optimizer, Schedule};
use augtrial_plan::dataset::Protocol;
use augtrial_plan::networks::Manifest;
use augtrial_plan::transform::{Features, Mix, Transform};

/// The methods, one paragraph each.
pub(super) fn methods(
    plan: &Plan,
    comparison: &Comparison,
    tuned: Option<&Tuning>,
    metric: &str,
    cited: &Citations,
) -> Vec<String> {
    let mut paragraphs = vec![training(plan, cited)];
    paragraphs.extend(tuned.map(|tuned| tuning::methods(plan, tuned, cited)));
    paragraphs.push(protocol(plan.study.protocol).to_owned());
    paragraphs.extend(dose(plan));
    paragraphs.extend(replacing(plan));
    paragraphs.extend(extra(plan));
    paragraphs.extend(balance(plan));
    paragraphs.extend(augmentation(plan, cited));
    paragraphs.extend(testing(comparison, metric, "declared before the run", cited));
    paragraphs
}

/// What images are made with, where it is from a paper.
fn augmentation(plan: &Plan, cited: &Citations) -> Option<String> {
    let rows: BTreeMap<&str, &Row> = rows(plan).map(|row| (row.name, row)).collect();
    let source = |row: &Row| {
        let works: Vec<String> = row.works.iter().map(|work| cited.cite_work(*work)).collect();
        (!works.is_empty()).then(|| format!("{} ({})", row.name, works.join("; ")))
    };
    let sources: Vec<String> = rows.into_values().filter_map(source).collect();
    (!sources.is_empty()).then(|| format!("Images were changed by {}.", sources.join(", ")))
}

/// What is done about classes of different sizes.
fn balance(plan: &Plan) -> Option<String> {
    let of = |balance: Balance, does: &str| {
        let arms: Vec<&str> =
            plan.arms.iter().filter(|arm| arm.balance == Some(balance)).map(|arm| arm.name.as_str()).collect();
        (!arms.is_empty()).then(|| format!("In {}, {does}.", arms.join(", ")))
    };
    let sentences = [
        of(Balance::Sampler, "every pass drew its images by class, each class equally often, with replacement"),
        of(
            Balance::Oversample,
            "images of smaller classes were repeated until every class had the size of the largest",
        ),
        of(Balance::Copies, "derived images were added only where a class was smaller than the largest"),
    ];
    let sentences: Vec<String> = sentences.into_iter().flatten().collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// The rows of the tables that the plan names: transforms, mixing, editors and their sampling methods.
fn rows(plan: &Plan) -> impl Iterator<Item = &'static Row> {
    let of_arm = |arm: &Arm| {
        let transforms = arm.offline.iter().flat_map(|step| &step.apply).chain(&arm.online);
        let transforms = transforms.flat_map(Transform::with_branches).map(Transform::row);
        let scheduler = match &arm.edit {
            Some(Edit::Ip2p(ip2p)) => Some(ip2p.scheduler.row()),
            Some(Edit::Folder(_)) | None => None,
        };
        let mixes = arm.mix.iter().flat_map(Mix::with_ways).map(Mix::row);
        let others = [arm.features.as_ref().map(Features::row), arm.edit.as_ref().map(Edit::row), scheduler];
        transforms.chain(mixes).chain(others.into_iter().flatten()).collect::<Vec<_>>()
    };
    let of_classifier = plan.classifier.transforms.iter().flat_map(Transform::with_branches).map(Transform::row);
    plan.arms.iter().flat_map(of_arm).chain(of_classifier)
}

/// The network, with its source, and whether its weights were trained before.
fn network(plan: &Plan, cited: &Citations) -> (String, bool) {
    let pretrained = plan.classifier.pretrained.is_some();
    if let Some(row) = plan.classifier.row() {
        return (format!("a {} ({})", row.title, cited.cite_work(row.work)), pretrained);
    }
    let named = plan.classifier.network.as_ref().map_or_else(String::new, |custom| custom.folder().to_owned());
    match plan.network_file() {
        Ok(Some(file)) => {
            let Manifest { source, pretrained: trained, .. } = file.manifest();
            let text = format!("the network {} (by {}, digest {})", source.name, source.made_by, file.digest().short());
            (text, pretrained || *trained)
        }
        // The report is written where the network is not, from runs made elsewhere.
        _ => (format!("the network of the file {named}"), pretrained || !plan.classifier.freeze.is_none()),
    }
}

fn training(plan: &Plan, cited: &Citations) -> String {
    let classifier = &plan.classifier;
    if let Some(command) = &classifier.command {
        return command::training(plan, command);
    }
    let (network, pretrained) = network(plan, cited);
    let start = match (pretrained, classifier.freeze) {
        (false, _) => "from random weights",
        (true, Freeze::None) => "from pretrained weights",
        (true, Freeze::Stem) => "from pretrained weights with a frozen stem",
        (true, Freeze::AllButHead) => "from pretrained weights, of which all but the linear head stayed frozen,",
    };
    let head = match classifier.head_learning_rate {
        Some(rate) => format!(", the head at learning rate {rate}"),
        None => String::new(),
    };
    let budget = match classifier.budget {
        Budget::Epochs(n) => format!("for {n} epochs of its own training set"),
        Budget::Updates(n) => format!("for {n} optimizer updates, the same for every arm"),
    };
    let optimizer = match classifier.optimizer {
        Optimizer::Sgd(sgd) => format!(
            "SGD (learning rate {}, momentum {}, weight decay {})",
            sgd.learning_rate, sgd.momentum, sgd.weight_decay
        ),
        Optimizer::Adamw(adamw) => {
            format!(
                "AdamW ({}; learning rate {}, weight decay {})",
                cited.cite("loshchilov2019"),
                adamw.learning_rate,
                adamw.weight_decay
            )
        }
    };
    let schedule = match classifier.schedule {
        Schedule::Constant(_) => "a constant rate".to_owned(),
        Schedule::Step(step) => format!("the rate multiplied by {} every {} epochs", step.factor, step.every_epochs),
        Schedule::Cosine(_) => format!("cosine decay ({})", cited.cite("loshchilov2017")),
    };
    let rule = match classifier.epoch_rule {
        EpochRule::Last => "The weights of the last epoch met the test part",
        EpochRule::BestValidation => "The weights of the epoch of the highest validation accuracy met the test part",
    };
    let (arms, seeds) = (plural(plan.arms.len(), "arm"), plural(plan.study.seeds.len(), "seed"));
    let torch = cited.cite("paszke2019");
    format!(
        "Each of {arms} trained {network} {start} in PyTorch's C++ library ({torch}), once for each of {seeds}, {budget}, with {optimizer}{head}, batches of \
         {} and {schedule}. For one seed all arms share the split, the initial weights and the streams of random numbers. {rule}, \
         which each run read once.",
        classifier.batch_size
    )
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::LeakFree => {
            "Protocol: leak-free. Sources were split before any image was made from them, and only images of the training \
             part were augmented."
        }
        Protocol::AsPublished => {
            "Protocol: as-published. Images were augmented first and then split file by file, so that images made from \
             one source lie in training and in test."
        }
    }
}

/// Which arms trained on further images.
fn extra(plan: &Plan) -> Option<String> {
    let arms: Vec<&str> = plan.arms.iter().filter(|arm| arm.extra.is_some()).map(|arm| arm.name.as_str()).collect();
    (!arms.is_empty()).then(|| {
        format!(
            "Further labelled images that are not of the data set were added to the training part of {}. Those that are, or look \
             like, an image of validation or test were withheld, as the flow counts.",
            arms.join(", ")
        )
    })
}

/// Where derived images stand in for originals.
fn replacing(plan: &Plan) -> Option<String> {
    let told = plan.arms.iter().filter_map(|arm| {
        let rule = arm.replace?;
        Some(format!("in {}, an image made of {} with probability {}", arm.name, rule.whose(), rule.p))
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| {
        format!(
            "At every draw of an original, a derived image stood in for it: {}. The sizes of these training sets and the numbers of \
             updates are those without derived images.",
            told.join("; ")
        )
    })
}

/// What the training part was cut to, if it was.
fn dose(plan: &Plan) -> Option<String> {
    let dose = plan.train.dose()?;
    Some(format!(
        "The training part was cut to {}, drawn by the study's seed, so that a smaller number takes some of the images that a \
         larger one takes. Validation and test are whole, and images were derived from those trained on alone.",
        dose.words()
    ))
}

/// The tests; nothing where no contrast is declared. `how` says how contrasts came to be.
pub(super) fn testing(comparison: &Comparison, metric: &str, how: &str, cited: &Citations) -> Option<String> {
    if comparison.contrasts.is_empty() {
        return None;
    }
    let reach = comparison.reach.seeds_needed.map_or_else(String::new, |seeds| {
        format!("; an exact test needs {} to reach {}", plural(seeds, "seed"), comparison.alpha)
    });
    let scale = comparison.measure().scale;
    let defined = comparison.measure().source.map_or_else(String::new, |source| format!(" ({})", cited.cite(source)));
    let declared = match comparison.contrasts.len() {
        1 => "One contrast was".to_owned(),
        n => format!("{n} contrasts were"),
    };
    let mut text = format!(
        "The primary metric is {metric}{defined} on the test part. {declared} {how}, paired by seed, and judged {} \
         adjusted over the contrasts ({}). Equivalence within ±{}{} is judged {} by two one-sided tests ({}), adjusted likewise.",
        judged_by(comparison, cited),
        cited.cite("holm1979"),
        scale.spread(comparison.delta),
        scale.after(),
        if comparison.test_share.is_some() { "likewise" } else { "in both scopes" },
        cited.cite("schuirmann1987"),
    );
    let mut named: BTreeSet<&str> = ["p", "wide_p", "holm_p", "tost_p"].iter().filter_map(|key| method(key)).collect();
    let redrawn = comparison.test_share.is_some();
    let has = |statistic: &augtrial_compare::Statistic| {
        // Methods for independent seeds and for a table of seeds and images, and the one that is named already.
        let others = ["student1908", "fisher1935", "wilcoxon1945", "satterthwaite1946", "nadeau2003"];
        let sizes = ["minimum_detectable", "pairs_needed"];
        match statistic.source {
            _ if !redrawn => statistic.key != "test_share",
            Some(source) => !others.contains(&source) && !sizes.contains(&statistic.key),
            None => false,
        }
    };
    let others = STATISTICS
        .iter()
        .filter(|statistic| has(statistic) && statistic.source.is_some() && named.insert(statistic.method));
    let others: Vec<String> = others.map(|statistic| row(statistic.key, cited)).collect();
    let _ = write!(text, " Beside them stand {}.", others.join(", "));
    if comparison.contrasts.iter().any(|contrast| contrast.judged().is_some_and(|judged| judged.examples.is_some())) {
        let _ = write!(text, " Image by image: McNemar's exact test of each seed ({})", cited.cite("mcnemar1947"));
        if !redrawn {
            let _ = write!(text, ", and a bootstrap that resamples seeds and images ({})", cited.cite("owen2007"));
        }
        text.push('.');
    }
    text += &other_metrics(comparison, cited);
    if comparison.friedman.is_ok() {
        let _ = write!(text, " All arms at once: Friedman's test ({}).", cited.cite("friedman1937"));
    }
    if comparison.contrasts.iter().any(|c| matches!(c.outcome, Outcome::Refused(Refusal::TooFewPairs { .. }))) {
        text += " Fewer than three pairs are described and not judged.";
    }
    if let Some(look) = &comparison.look {
        let _ = write!(
            text,
            " The study could be looked at after {} seeds, and was to stop where every contrast had an answer; this was declared \
             before. Alpha was spent by {} ({}), with the two-sided levels {} at the looks. Intervals are repeated confidence \
             intervals and p values repeated p values ({}), so that both hold whenever the study stopped.",
            look.looks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            look.spending_words(),
            cited.cite("lan1983"),
            conduct::levels(look, comparison.alpha),
            cited.cite("jennison2000"),
        );
    }
    if redrawn {
        return Some(text);
    }
    let _ = write!(
        text,
        " With {} an exact test of this family cannot give less than {}{reach}. Sample sizes and detectable differences are for \
         80 % power at alpha divided by the number of contrasts.",
        plural(comparison.seeds.len(), "seed"),
        p_phrase("p", comparison.reach.smallest_p),
    );
    Some(text)
}

/// In which scopes, and by which tests.
fn judged_by(comparison: &Comparison, cited: &Citations) -> String {
    let alpha = comparison.alpha;
    match comparison.test_share {
        None => format!(
            "in two scopes at a family level of {alpha}. On this test set: {}. For new images like these: {}, whose interval is \
             never narrower than that over seeds; images that are twins or of one group count as one. Both are",
            row("p", cited),
            row("wide_p", cited),
        ),
        Some(share) => format!(
            "for new images like these at a family level of {alpha}. Every seed has a division of its own; since they share \
             images, the variance of the mean is s\u{b2} (1/n + {share:.3}), {}. It is",
            row("test_share", cited)
        ),
    }
}

/// The metrics beside the primary one, which decide nothing.
fn other_metrics(comparison: &Comparison, cited: &Citations) -> String {
    if comparison.others.is_empty() {
        return String::new();
    }
    let name = |other: &augtrial_compare::OtherMetric| match other.measure().source {
        Some(source) => format!("{} ({})", other.measure().title, cited.cite(source)),
        None => other.measure().title.to_owned(),
    };
    let names: Vec<String> = comparison.others.iter().map(name).collect();
    format!(
        " Beside the primary metric stand {}: they decide no verdict, and their p values are adjusted over the contrasts and \
         not over the metrics.",
        names.join(", ")
    )
}

fn method(key: &str) -> Option<&'static str> {
    STATISTICS.iter().find(|statistic| statistic.key == key).map(|statistic| statistic.method)
}

/// A statistic's method with its source.
fn row(key: &str, cited: &Citations) -> String {
    let statistic = STATISTICS.iter().find(|statistic| statistic.key == key);
    statistic.map_or_else(String::new, |statistic| match statistic.source {
        Some(source) => format!("{} ({})", statistic.method, cited.cite(source)),
        None => statistic.method.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn works_of(arm: &str) -> Vec<&'static str> {
        let text = format!(
            "[study]\nname = \"t\"\nseeds = [1]\n[dataset.synthetic]\n[classifier]\nbudget = {{ epochs = 1 }}\n[[arm]]\nname = \"a\"\n{arm}\n"
        );
        let plan = Plan::parse("t", &text, std::path::PathBuf::new(), &[]).unwrap_or_else(|error| panic!("{error}"));
        let cited = Citations::default();
        let text = augmentation(&plan, &cited).unwrap_or_default();
        let works = cited.list();
        for work in &works {
            assert!(text.contains(&work.in_text()), "{} in {text}", work.key);
        }
        works.iter().map(|work| work.key).collect()
    }

    #[test]
    fn every_row_that_a_plan_names_is_cited() {
        let keys = |row: &Row| {
            let mut keys: Vec<_> = row.works.iter().map(|work| work.key).collect();
            keys.sort_unstable();
            keys
        };
        for row in Transform::ROWS {
            // Those that choose among others must have some.
            let required = |name: &str| row.parameters().iter().any(|own| own.required && own.name == name);
            let of = if required("of") { "of = [{ vertical_flip = {} }]" } else { "" };
            let n = if required("n") { ", n = 1" } else { "" };
            assert_eq!(works_of(&format!("online = [{{ {} = {{ {of}{n} }} }}]", row.name)), keys(row), "{}", row.name);
        }
        let nested = "online = [{ one_of = { of = [{ apply = { of = [{ cutout = {} }] } }, { rand_augment = {} }] } }]";
        assert_eq!(works_of(nested), ["cubuk2020", "devries2017"]);
        for row in Mix::ROWS.iter().filter(|row| row.name != "any_of") {
            assert_eq!(works_of(&format!("mix = {{ {} = {{}} }}", row.name)), keys(row), "{}", row.name);
        }
        let several = "mix = { any_of = { of = [{ mixup = {} }, { cutmix = {} }] } }";
        assert_eq!(works_of(several), ["yun2019", "zhang2018"]);
        let edit = "[arm.edit.ip2p]\nbundle = \"b\"\ninstructions = { \"*\" = [\"x\"] }\nscheduler = \"lcm\"";
        assert_eq!(works_of(edit), ["brooks2023", "luo2023"]);
    }
}
