//! Rows of a study with sets that are known: half of real images, near copies, another class, and one image.

use augtrial_base::digest::Digest;
use augtrial_base::seed::StudySeed;

use super::*;
use crate::measures::Change;
use crate::testing::normal;
use crate::view::{ArmSeen, NetworkView};

const CLASSES: usize = 2;
const PER_CLASS: usize = 40;
const WIDTH: usize = 6;

/// Two classes, 4 apart in every feature.
fn real_features() -> Features {
    let shifted = |class: usize| normal(PER_CLASS, WIDTH, 11 + class as u64, 4.0 * class as f32);
    let values = (0..CLASSES).flat_map(|class| shifted(class).rows().flatten().copied().collect::<Vec<_>>());
    Features::new(WIDTH, values.collect()).unwrap()
}

fn real_images() -> Vec<RealImage> {
    let image = |at: usize| RealImage {
        digest: Digest::of_bytes(&at.to_le_bytes()),
        group: at.to_string(),
        class: (at / PER_CLASS) as u32,
        probabilities: Some(if at / PER_CLASS == 0 { vec![0.8, 0.2] } else { vec![0.2, 0.8] }),
    };
    (0..CLASSES * PER_CLASS).map(image).collect()
}

/// An arm with one image of every source, whose features are `of` the source's position.
fn arm(name: &str, of: &dyn Fn(usize) -> Vec<f32>, probabilities: Option<&[f32]>) -> (ArmImages, ArmSeen) {
    let images: Vec<MeasuredImage> = real_images()
        .iter()
        .enumerate()
        .map(|(at, source)| MeasuredImage {
            file: format!("{name}/{at}.png"),
            source_path: format!("{at}.png"),
            source: source.digest,
            copy: 0,
            class: source.class,
            instruction: Some(if at % 2 == 0 { "in snow".to_owned() } else { "at night".to_owned() }),
            change: Change { levels: 3.0, ssim: Some(0.96) },
            probabilities: probabilities.map(<[f32]>::to_vec),
        })
        .collect();
    let values = (0..images.len()).flat_map(of).collect();
    let view = ArmSeen { images: (0..images.len()).collect(), features: Features::new(WIDTH, values).unwrap() };
    (ArmImages { name: name.to_owned(), images }, view)
}

fn measured(arms: Vec<(ArmImages, ArmSeen)>) -> MeasuredSets {
    let (arms, views) = arms.into_iter().unzip();
    let real = real_images();
    let view = NetworkView { real: (0..real.len()).collect(), real_features: real_features(), arms: views };
    MeasuredSets { classes: vec!["cat".to_owned(), "dog".to_owned()], real, arms, views: vec![view] }
}

fn arms() -> Vec<(ArmImages, ArmSeen)> {
    let real = real_features();
    let noise = normal(CLASSES * PER_CLASS, WIDTH, 99, 0.0);
    let near = |at: usize| real.row(at).iter().zip(noise.row(at)).map(|(x, e)| x + 0.3 * e).collect::<Vec<_>>();
    let swapped = |at: usize| real.row((at + PER_CLASS) % (CLASSES * PER_CLASS)).to_vec();
    vec![
        arm("near copies", &near, Some(&[0.9, 0.1])),
        arm("wrong class", &swapped, None),
        arm("one image", &|_| vec![1.0; WIDTH], None),
    ]
}

const SETTINGS: QualitySettings = QualitySettings { k: 5, permutations: 99, most: 1000 };

fn row<'f>(found: &'f SetFindings, subject: &RowSubject, part: &RowPart) -> &'f QualityRow {
    found.rows.iter().find(|row| row.subject == *subject && row.part == *part).expect("a row")
}

fn of_arm<'f>(found: &'f SetFindings, name: &str) -> &'f QualityRow {
    row(found, &RowSubject::Arm(name.to_owned()), &RowPart::All)
}

#[test]
fn near_copies_lie_by_the_floor_and_a_wrong_class_by_the_ceiling() {
    let measured = measured(arms());
    let found = measure(&measured, SETTINGS, StudySeed(1), "nobody judged");
    let (floor, ceiling) =
        (row(&found, &RowSubject::Floor, &RowPart::All), row(&found, &RowSubject::Ceiling, &RowPart::All));
    let (near, wrong) = (of_arm(&found, "near copies"), of_arm(&found, "wrong class"));
    let value = |row: &QualityRow, key: &str| row.values[key];
    assert!((value(near, "coverage") - value(floor, "coverage")).abs() < 0.15, "{near:?} {floor:?}");
    assert!(value(floor, "coverage") > 0.8 && value(ceiling, "coverage") < 0.1);
    assert!(value(near, "kernel_distance") < 0.1 * value(ceiling, "kernel_distance"));
    assert!(value(floor, "kernel_p") > 0.05 && value(near, "kernel_p") > 0.05);
    // Two directions with a smallest p of 0.01 each.
    assert_eq!((value(wrong, "kernel_p"), value(ceiling, "kernel_p")), (0.02, 0.02));
    // The same images of the other class, in other halves.
    assert!((value(wrong, "kernel_distance") / value(ceiling, "kernel_distance") - 1.0).abs() < 0.2);
    assert!(value(wrong, "coverage") < 0.1);
    assert!(value(near, "change_features") < 0.6 && value(wrong, "change_features") > 2.0);
}

#[test]
fn vendi_scores_are_of_equally_many_images_and_one_image_is_one() {
    let mut arms = arms();
    let (images, view) = &mut arms[1];
    images.images.truncate(30);
    view.images.truncate(30);
    view.features = view.features.select(&(0..30).collect::<Vec<_>>());
    let found = measure(&measured(arms), SETTINGS, StudySeed(1), "");
    assert_eq!(found.vendi_of, Some(30));
    let score = |name: &str| of_arm(&found, name).values["vendi_images"];
    assert!((score("one image") - 1.0).abs() < 1e-9);
    assert!(score("near copies") > 2.0);
    assert!(row(&found, &RowSubject::Floor, &RowPart::All).values.contains_key("vendi_images"));
    let of_class = |name: &str, class: &str| {
        row(&found, &RowSubject::Arm(name.to_owned()), &RowPart::Class(class.to_owned())).values["vendi_images"]
    };
    assert!((of_class("one image", "dog") - 1.0).abs() < 1e-9 && of_class("near copies", "cat") > 2.0);
    assert!(of_class("near copies", "dog") < of_class("near copies", "cat"), "dogs are of one direction");
    assert!(row(&found, &RowSubject::Floor, &RowPart::Class("cat".to_owned())).values.contains_key("vendi_images"));
    assert!(!row(&found, &RowSubject::Ceiling, &RowPart::All).values.contains_key("vendi_images"));
}

#[test]
fn the_name_of_an_arm_changes_no_number() {
    let renamed = |names: [&str; 2]| {
        let mut arms = arms();
        arms.truncate(2);
        // One arm is smaller, so that Vendi scores of the other are of draws.
        let (images, view) = &mut arms[1];
        images.images.truncate(30);
        view.images.truncate(30);
        view.features = view.features.select(&(0..30).collect::<Vec<_>>());
        arms.iter_mut().zip(names).for_each(|((images, _), name)| images.name = name.to_owned());
        let rows = measure(&measured(arms), SETTINGS, StudySeed(1), "").rows;
        rows.into_iter().map(|row| (row.part, row.values)).collect::<Vec<_>>()
    };
    assert_eq!(renamed(["one", "two"]), renamed(["two", "three"]));
}

#[test]
fn labels_are_judged_where_somebody_did_and_the_reason_stands_where_nobody_did() {
    let found = measure(&measured(arms()), SETTINGS, StudySeed(1), "no network");
    let near = of_arm(&found, "near copies");
    assert_eq!((near.values["agreement"], near.values["mislabeled"]), (0.5, 0.5), "all are taken for cats");
    assert_eq!(near.values["too_easy"], 0.5, "0.9 is above the mean confidence of 0.8 in real cats");
    let reason = &of_arm(&found, "wrong class").missing["agreement"];
    assert_eq!(reason, "no image was judged: labels are judged by no network");
    let floor = row(&found, &RowSubject::Floor, &RowPart::All);
    assert_eq!((floor.values["agreement"], floor.values.get("too_easy")), (1.0, None));
    let verdict = found.images[0][PER_CLASS].verdict.unwrap();
    assert_eq!((verdict.predicted, verdict.too_easy, verdict.mislabeled), (0, false, true));
}

#[test]
fn every_class_and_instruction_has_its_row() {
    let found = measure(&measured(arms()), SETTINGS, StudySeed(1), "");
    let subject = RowSubject::Arm("near copies".to_owned());
    let parts: Vec<&RowPart> = found.rows.iter().filter(|row| row.subject == subject).map(|row| &row.part).collect();
    let [class, asked] = [RowPart::Class, RowPart::Instruction];
    let expected = [
        &RowPart::All,
        &class("cat".to_owned()),
        &class("dog".to_owned()),
        &asked("at night".to_owned()),
        &asked("in snow".to_owned()),
    ];
    assert_eq!(parts, expected);
    assert_eq!(row(&found, &subject, &asked("in snow".to_owned())).images, 40);
    assert_eq!(row(&found, &subject, &class("cat".to_owned())).values["agreement"], 1.0);
}

#[test]
fn several_copies_of_a_source_do_not_make_p_smaller_than_it_is() {
    // Each source has five copies of another real image: the distribution is the real one, the number of images is not.
    let real = real_features();
    let (mut images, mut view) =
        arm("copies", &|at| real.row(at / PER_CLASS * PER_CLASS + (at * 7 + 3) % PER_CLASS).to_vec(), None);
    let (all, rows): (Vec<_>, Vec<_>) = (0..5)
        .flat_map(|copy| {
            images.images.iter().cloned().enumerate().map(move |(at, image)| (MeasuredImage { copy, ..image }, at))
        })
        .unzip();
    view.features = view.features.select(&rows);
    view.images = (0..all.len()).collect();
    images.images = all;
    let found = measure(&measured(vec![(images, view)]), SETTINGS, StudySeed(1), "");
    assert!(of_arm(&found, "copies").values["kernel_p"] > 0.05);
}

#[test]
fn the_seed_decides_and_nothing_else() {
    let measured = measured(arms());
    let found = |seed| measure(&measured, SETTINGS, StudySeed(seed), "");
    assert_eq!(found(1), found(1));
    assert_ne!(found(1).rows, found(2).rows);
}

#[test]
fn what_cannot_be_measured_is_told_and_stops_nothing_else() {
    // An arm without images.
    let empty = (
        ArmImages { name: "online".to_owned(), images: Vec::new() },
        ArmSeen { images: Vec::new(), features: Features::new(WIDTH, Vec::new()).unwrap() },
    );
    let found = measure(&measured(vec![empty]), SETTINGS, StudySeed(1), "");
    let row_of = of_arm(&found, "online");
    assert!(row_of.values.is_empty() && row_of.missing["coverage"].starts_with("it has no images of its own"));
    assert_eq!(found.vendi_of, Some(CLASSES * PER_CLASS), "an arm without images decides no number");

    // All images of an arm alike.
    let found = measure(&measured(arms()), SETTINGS, StudySeed(1), "");
    let one = of_arm(&found, "one image");
    assert!(one.values.contains_key("kernel_distance"));
    assert!(one.missing["coverage"].starts_with("all images of the set have equal features"), "{one:?}");

    // One class: no ceiling.
    let mut single = measured(arms());
    single.classes.truncate(1);
    single.real.truncate(PER_CLASS);
    let keep: Vec<usize> = (0..PER_CLASS).collect();
    let view = &mut single.views[0];
    view.real.truncate(PER_CLASS);
    view.real_features = view.real_features.select(&keep);
    for (arm, seen) in single.arms.iter_mut().zip(&mut view.arms) {
        arm.images.truncate(PER_CLASS);
        seen.images.truncate(PER_CLASS);
        seen.features = seen.features.select(&keep);
    }
    single.real.iter_mut().for_each(|image| image.probabilities = None);
    single.arms.iter_mut().flat_map(|arm| &mut arm.images).for_each(|image| image.probabilities = None);
    let found = measure(&single, SETTINGS, StudySeed(1), "");
    let ceiling = row(&found, &RowSubject::Ceiling, &RowPart::All);
    assert_eq!(ceiling.missing["coverage"], "needs at least 2 classes with real images, there is 1");
    assert!(of_arm(&found, "near copies").values.contains_key("coverage"));

    // Hardly any images: words for every measure of distance.
    let small = QualitySettings { k: 30, ..SETTINGS };
    let found = measure(&measured(arms()), small, StudySeed(1), "");
    let near = of_arm(&found, "near copies");
    assert_eq!(near.missing["coverage"], "needs at least 31 real images, there are 20");
    assert!(near.values.contains_key("kernel_distance"));
}
