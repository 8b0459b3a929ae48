//! What stands in each table.

use super::{Column, Table, TableCell};
use crate::curves::Measure;
use crate::view::StudyView;
use augtrial_base::numbers::{NONE, duration, p_value, points};
use augtrial_compare::{Form, STATISTICS, Scale};
use augtrial_plan::arm::Role;
use augtrial_tables::ColumnKind;

/// Per arm: what its seeds sum up to.
pub(crate) fn arms(view: &StudyView) -> Table {
    let level = 100.0 * (1.0 - view.comparison.alpha);
    let scale = view.comparison.measure().scale;
    let value = |value| scale.value(value);
    let rows = view.comparison.arms.iter().map(|arm| {
        let (summary, mean) = (arm.summary.as_ref().ok(), arm.mean.as_ref().ok());
        vec![
            TableCell::text(&arm.name),
            TableCell::text(if arm.role == Role::Control { "control" } else { "treatment" }),
            TableCell::count(arm.values.len() as u64),
            TableCell::maybe(summary.map(|s| s.mean), value),
            TableCell::maybe(mean.map(|m| m.interval.0), value),
            TableCell::maybe(mean.map(|m| m.interval.1), value),
            TableCell::maybe(arm.sd.as_ref().ok().copied(), |sd| scale.spread(sd)),
            TableCell::maybe(arm.standard_error.as_ref().ok().copied(), |se| scale.spread(se)),
            TableCell::maybe(summary.map(|s| s.median), value),
            TableCell::maybe(summary.map(|s| s.interquartile_mean), value),
            TableCell::maybe(summary.map(|s| s.min), value),
            TableCell::maybe(summary.map(|s| s.max), value),
        ]
    });
    Table {
        name: "arms",
        caption: format!("{} on the test part, over seeds; {level:.0} % t intervals", view.metric),
        columns: vec![
            Column::text("Arm", "arm"),
            Column::text("Role", "role"),
            Column::count("n", "n"),
            Column::number("Mean", "mean"),
            Column::number("Low", "interval_low"),
            Column::number("High", "interval_high"),
            Column::number("SD", "sd"),
            Column::number("SE", "se"),
            Column::number("Median", "median"),
            Column::number("IQM", "iqm"),
            Column::number("Min", "min"),
            Column::number("Max", "max"),
        ],
        rows: rows.collect(),
        total: false,
    }
}

/// Per contrast: verdicts, and every statistic.
pub(crate) fn contrasts(view: &StudyView) -> Table {
    let mut columns = vec![
        Column::text("Treatment", "treatment"),
        Column::text("Control", "control"),
        Column::text("Verdict, new images", "verdict"),
        Column::text("Verdict, this test set", "verdict_test_set"),
        Column::count("Pairs", "pairs"),
    ];
    columns.extend(STATISTICS.iter().map(|statistic| Column {
        title: statistic.title.to_owned(),
        key: statistic.key.to_owned(),
        kind: if statistic.form == Form::Count { ColumnKind::Integer } else { ColumnKind::Real },
    }));
    let scale = view.comparison.measure().scale;
    let rows = view.comparison.contrasts.iter().map(|contrast| {
        let judged = contrast.judged();
        let beyond =
            judged.map_or(contrast.word(), |judged| judged.beyond.as_ref().map_or("not known", |b| b.verdict.word()));
        let mut row = vec![
            TableCell::text(&contrast.contrast.treatment),
            TableCell::text(&contrast.contrast.control),
            TableCell::text(beyond),
            TableCell::text(
                judged
                    .map_or(contrast.word(), |judged| judged.here.as_ref().map_or("not defined", |h| h.verdict.word())),
            ),
            TableCell::count(contrast.pairs.len() as u64),
        ];
        row.extend(STATISTICS.iter().map(|statistic| {
            let value = judged.and_then(|judged| (statistic.value)(judged).ok());
            match value {
                Some(value) if statistic.form == Form::Count => TableCell::count(value.ceil() as u64),
                value => TableCell::maybe(value, |value| statistic.form.show(value, scale)),
            }
        }));
        row
    });
    let caption = if scale == Scale::Percent {
        "Contrasts, treatment less control, paired by seed; in points, in CSV and Parquet as shares".to_owned()
    } else {
        format!("Contrasts in {}, treatment less control, paired by seed", view.metric)
    };
    Table { name: "contrasts", caption, columns, rows: rows.collect(), total: false }
}

/// Per contrast: what single test images say.
pub(crate) fn examples(view: &StudyView) -> Table {
    let rows = view.comparison.contrasts.iter().filter_map(|contrast| {
        let examples = contrast.judged()?.examples.as_ref()?;
        let p_values = || examples.mcnemar.iter().map(|seed| seed.test.exact);
        Some(vec![
            TableCell::text(&contrast.contrast.treatment),
            TableCell::text(&contrast.contrast.control),
            TableCell::count(examples.images as u64),
            TableCell::maybe(p_values().reduce(f64::min), p_value),
            TableCell::maybe(p_values().reduce(f64::max), p_value),
            TableCell::maybe(examples.difference.map(|d| d.point), points),
            TableCell::maybe(examples.difference.map(|d| d.interval.0), points),
            TableCell::maybe(examples.difference.map(|d| d.interval.1), points),
        ])
    });
    Table {
        name: "examples",
        caption: "The range over seeds of McNemar's exact p, and the difference in Top-1 accuracy with an \
                  interval that resamples seeds and images"
            .to_owned(),
        columns: vec![
            Column::text("Treatment", "treatment"),
            Column::text("Control", "control"),
            Column::count("Images", "images"),
            Column::number("McNemar p, smallest", "mcnemar_p_min"),
            Column::number("largest", "mcnemar_p_max"),
            Column::number("Difference", "difference"),
            Column::number("Low", "interval_low"),
            Column::number("High", "interval_high"),
        ],
        rows: rows.collect(),
        total: false,
    }
}

/// Per arm: images planned, missing and why, trained on, tested.
pub(crate) fn flow(view: &StudyView) -> Table {
    let rows = view.arms.iter().map(|arm| {
        let flow = &arm.flow;
        let reasons: Vec<String> = flow.missing.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
        vec![
            TableCell::text(&arm.name),
            TableCell::count(flow.planned),
            TableCell::count(flow.missing.iter().map(|(_, n)| n).sum()),
            TableCell::text(&reasons.join("; ")),
            TableCell::count(flow.trained_on),
            TableCell::count(flow.tested),
        ]
    });
    Table {
        name: "flow",
        caption: "Images on their way through each arm".to_owned(),
        columns: vec![
            Column::text("Arm", "arm"),
            Column::count("Planned", "planned"),
            Column::count("Missing", "missing"),
            Column::text("Why", "reasons"),
            Column::count("Trained on", "trained_on"),
            Column::count("Tested on", "tested_on"),
        ],
        rows: rows.collect(),
        total: false,
    }
}

/// Per arm: what its runs took, on average.
pub(crate) fn budget(view: &StudyView) -> Table {
    let whole = |value: f64| augtrial_base::numbers::count(value.round() as u64);
    let rows = view.arms.iter().map(|arm| {
        let budget = &arm.budget;
        vec![
            TableCell::text(&arm.name),
            TableCell::value(budget.epochs, |v| format!("{v:.1}")),
            TableCell::value(budget.selected_epoch, |v| format!("{v:.1}")),
            TableCell::value(budget.updates, whole),
            TableCell::value(budget.samples_seen, whole),
            TableCell::count(budget.unique_originals),
            TableCell::maybe(budget.generation_secs, duration),
            TableCell::value(budget.training_secs, duration),
        ]
    });
    Table {
        name: "budget",
        caption: "What each arm took: images made once, and the mean of its runs".to_owned(),
        columns: vec![
            Column::text("Arm", "arm"),
            Column::number("Epochs", "epochs"),
            Column::number("Selected epoch", "selected_epoch"),
            Column::number("Updates", "updates"),
            Column::number("Samples seen", "samples_seen"),
            Column::count("Unique originals", "unique_originals"),
            Column::number("Generation", "generation_secs"),
            Column::number("Training", "training_secs"),
        ],
        rows: rows.collect(),
        total: false,
    }
}

/// Per arm: where its runs converged.
pub(crate) fn convergence(view: &StudyView) -> Table {
    let one_decimal = |value: f64| format!("{value:.1}");
    let rows = view.arms.iter().map(|arm| {
        let convergence = &arm.convergence;
        let estimate = convergence.epochs.as_ref().ok();
        let reached: Vec<u32> = convergence.seeds.iter().filter_map(|seed| Some(seed.reached?.0)).collect();
        let mean = (!reached.is_empty())
            .then(|| reached.iter().map(|&epoch| f64::from(epoch)).sum::<f64>() / reached.len() as f64);
        let by_seed = convergence.seeds.iter().map(|seed| {
            let epoch = seed.reached.map_or_else(|| NONE.to_owned(), |(epoch, _)| epoch.to_string());
            format!("{}: {epoch}", seed.seed)
        });
        vec![
            TableCell::text(&arm.name),
            TableCell::count(convergence.seeds.len() as u64),
            TableCell::count(convergence.converged() as u64),
            TableCell::maybe(mean, one_decimal),
            TableCell::maybe(estimate.map(|e| e.interval.0.max(0.0)), one_decimal),
            TableCell::maybe(estimate.map(|e| e.interval.1), one_decimal),
            TableCell::maybe(convergence.mean_updates(), |v| augtrial_base::numbers::count(v.round() as u64)),
            TableCell::text(&by_seed.collect::<Vec<_>>().join(", ")),
        ]
    });
    Table {
        name: "convergence",
        caption: format!(
            "Epoch of convergence, mean over the seeds that converged; {:.0} % t interval",
            100.0 * (1.0 - view.comparison.alpha)
        ),
        columns: vec![
            Column::text("Arm", "arm"),
            Column::count("Runs", "runs"),
            Column::count("Converged", "converged"),
            Column::number("Epoch", "epoch"),
            Column::number("Low", "interval_low"),
            Column::number("High", "interval_high"),
            Column::number("Updates", "updates"),
            Column::text("Epoch by seed", "epoch_by_seed"),
        ],
        rows: rows.collect(),
        total: false,
    }
}

/// Per contrast and seed: `McNemar`'s test on the test images.
pub(crate) fn mcnemar(view: &StudyView) -> Table {
    let rows = view.comparison.contrasts.iter().flat_map(|contrast| {
        contrast
            .judged()
            .and_then(|judged| judged.examples.as_ref())
            .into_iter()
            .flat_map(|examples| &examples.mcnemar)
            .map(|seed| {
                vec![
                    TableCell::text(&contrast.contrast.treatment),
                    TableCell::text(&contrast.contrast.control),
                    TableCell::seed(seed.seed),
                    TableCell::count(seed.only_treatment),
                    TableCell::count(seed.only_control),
                    TableCell::value(seed.test.exact, p_value),
                    TableCell::value(seed.test.mid_p, p_value),
                ]
            })
    });
    Table {
        name: "mcnemar",
        caption: "McNemar's test seed by seed: test images that only one of the two runs gets right".to_owned(),
        columns: vec![
            Column::text("Treatment", "treatment"),
            Column::text("Control", "control"),
            Column::seed(),
            Column::count("Only treatment right", "only_treatment"),
            Column::count("Only control right", "only_control"),
            Column::number("Exact p", "exact_p"),
            Column::number("Mid-p", "mid_p"),
        ],
        rows: rows.collect(),
        total: false,
    }
}

/// Per run: the value that the comparison rests on.
pub(super) fn runs(view: &StudyView) -> Table {
    let rows = view.comparison.arms.iter().flat_map(|arm| {
        arm.values.iter().map(|value| {
            vec![
                TableCell::text(&arm.name),
                TableCell::seed(value.seed),
                TableCell::text(&value.run),
                TableCell::value(value.value, |value| view.comparison.measure().scale.value(value)),
            ]
        })
    });
    Table {
        name: "runs",
        caption: format!("{} of every run that counts", view.metric),
        columns: vec![
            Column::text("Arm", "arm"),
            Column::seed(),
            Column::text("Run", "run"),
            Column::number("Value", "value"),
        ],
        rows: rows.collect(),
        total: false,
    }
}

/// Per arm, part, measure and epoch: the mean over seeds and its interval.
pub(super) fn curves(view: &StudyView) -> Table {
    let exact = |value: f64| format!("{value:.4}");
    let rows = view.arms.iter().flat_map(|arm| {
        arm.curves.iter().flat_map(move |curve| {
            let measure = if curve.measure == Measure::Top1 { "top1" } else { "loss_nats" };
            curve.mean.iter().map(move |point| {
                vec![
                    TableCell::text(&arm.name),
                    TableCell::text(curve.split.name()),
                    TableCell::text(measure),
                    TableCell::count(point.epoch.into()),
                    TableCell::value(point.updates, exact),
                    TableCell::count(point.n as u64),
                    TableCell::value(point.mean, exact),
                    TableCell::maybe(point.interval.map(|interval| interval.0), exact),
                    TableCell::maybe(point.interval.map(|interval| interval.1), exact),
                ]
            })
        })
    });
    let keys = ["arm", "part", "measure", "epoch", "updates", "n", "mean", "interval_low", "interval_high"];
    let columns = keys.iter().map(|key| match *key {
        "arm" | "part" | "measure" => Column::text(key, key),
        "epoch" | "n" => Column::count(key, key),
        _ => Column::number(key, key),
    });
    Table {
        name: "curves",
        caption: "Training curves: mean over seeds and t interval".to_owned(),
        columns: columns.collect(),
        rows: rows.collect(),
        total: false,
    }
}
