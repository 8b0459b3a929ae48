//! `augtrial show`: what arms make of images, to look at.

use crate::lab::{Lab, TINY};

#[test]
fn a_sheet_shows_an_original_and_its_copies_for_each_class_and_way_of_an_arm() {
    let lab = Lab::new(TINY);
    let said = lab.run(&["show", "experiment.toml", "--copies", "3", "-q"]);
    assert_eq!(said.trim(), "reports/tiny/show.png");
    let sheet = image::open(lab.path("reports/tiny/show.png")).unwrap().into_rgb8();
    // Pictures of 32 px are enlarged five times: four columns, with gaps of 12 px.
    assert_eq!(sheet.width(), 4 * (160 + 12) + 12);

    let first = std::fs::read(lab.path("reports/tiny/show.png")).unwrap();
    lab.run(&["show", "experiment.toml", "--copies", "3", "-q"]);
    assert_eq!(std::fs::read(lab.path("reports/tiny/show.png")).unwrap(), first, "the same seeds give the same sheet");
}

#[test]
fn an_arm_or_an_image_that_is_not_there_and_an_arm_without_transforms_are_named() {
    let lab = Lab::new(TINY);
    let errors = lab.fail(2, &["show", "experiment.toml", "--arm", "fliped"]);
    assert!(errors.contains("there is no arm named `fliped`: did you mean `flipped`?"), "{errors}");
    let errors = lab.fail(2, &["show", "experiment.toml", "--image", "x"]);
    assert!(errors.contains("there is no image `x`: "), "{errors}");
    let errors = lab.fail(2, &["show", "experiment.toml", "--arm", "control"]);
    assert!(errors.contains("arm `control`: it transforms no image"), "{errors}");
}
