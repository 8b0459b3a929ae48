//! From one row per transform to everything that other layers ask of it.

/// Makes of the rows `Type = "name_in_files"` the enum that experiment files are parsed into, and what is asked of it.
///
/// `Type` implements [`Described`](crate::Described) and the trait after `dyn`, which is what it does.
macro_rules! table {
    (
        $(#[$about:meta])*
        pub enum $Table:ident: dyn $Behavior:ident {
            $($Row:ident = $name:literal,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub enum $Table {
            $(#[serde(rename = $name)] $Row($Row),)+
        }

        impl $Table {
            /// One row each, in the order of the table.
            pub const ROWS: &'static [augtrial_base::catalog::Row] = &[$(
                augtrial_base::catalog::Row {
                    name: $name,
                    source: <$Row as $crate::Described>::SOURCE,
                    works: <$Row as $crate::Described>::WORKS,
                    schema: augtrial_base::catalog::schema::<Self>,
                    limits: || $crate::Described::limits(&$Row::default()),
                },
            )+];

            /// The name used in experiment files.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$Row(_) => $name,)+
                }
            }

            /// Its row of the table.
            #[must_use]
            pub fn row(&self) -> &'static augtrial_base::catalog::Row {
                Self::ROWS.iter().find(|row| row.name == self.name()).expect("every variant is made of a row")
            }

            /// The limits of the parameters, and what is wrong with those at hand.
            #[must_use]
            pub fn limits(&self) -> Vec<augtrial_base::catalog::Limit> {
                match self {
                    $(Self::$Row(parameters) => $crate::Described::limits(parameters),)+
                }
            }

            /// What makes little sense for images of this size, each as a sentence.
            #[must_use]
            pub fn doubts(&self, width_px: u32, height_px: u32) -> Vec<String> {
                match self {
                    $(Self::$Row(parameters) => $crate::Described::doubts(parameters, width_px, height_px),)+
                }
            }

            /// What it does, where it stands.
            #[must_use]
            pub fn behavior(&self) -> &dyn $Behavior {
                match self {
                    $(Self::$Row(parameters) => parameters,)+
                }
            }

            /// What it does.
            #[must_use]
            pub fn implementation(&self) -> Box<dyn $Behavior> {
                match self.clone() {
                    $(Self::$Row(parameters) => Box::new(parameters),)+
                }
            }

            /// One of each row, with parameters that change a picture.
            #[must_use]
            pub fn examples() -> Vec<Self> {
                vec![$(Self::$Row(<$Row as $crate::Described>::example()),)+]
            }
        }
    };
}

pub(crate) use table;

#[cfg(test)]
mod tests {
    use image::RgbImage;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use crate::{Augmenter, Described, Pipeline};
    use augtrial_base::catalog::Limit;
    use augtrial_base::seed::{Purpose, Stream, StudySeed};

    /// Sets every channel to one value.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    pub struct Paint {
        /// The value of every channel.
        value: u8,
    }

    impl Default for Paint {
        fn default() -> Self {
            Self { value: 7 }
        }
    }

    impl Described for Paint {
        const SOURCE: &str = "this test";

        fn limits(&self) -> Vec<Limit> {
            vec![Limit::number("value", self.value, 0.0, 9.0)]
        }

        fn doubts(&self, width_px: u32, _: u32) -> Vec<String> {
            vec![format!("{width_px} px")]
        }
    }

    impl Augmenter for Paint {
        fn apply(&self, mut image: RgbImage, _: &mut Stream) -> RgbImage {
            image.fill(self.value);
            image
        }
    }

    super::table! {
        /// A table of one.
        pub enum Dummy: dyn Augmenter {
            Paint = "paint_it",
        }
    }

    /// A type and a row are all that a new transform needs.
    #[test]
    fn a_row_gives_the_name_the_schema_the_checks_the_kernel_and_the_reference() {
        let read: Dummy = serde_json::from_str(r#"{"paint_it": {"value": 12}}"#).unwrap();
        assert_eq!((read.name(), read.row().source), ("paint_it", "this test"));
        assert_eq!(read.limits()[0].faults[0].message, "`value` must lie between 0 and 9, not 12");
        assert_eq!(read.doubts(3, 4), ["3 px"]);
        assert!(serde_json::from_str::<Dummy>(r#"{"paint_it": {"size": 1}}"#).is_err());
        assert_eq!(Dummy::examples(), [Dummy::Paint(Paint { value: 7 })]);

        let pipeline = Pipeline::of([read.implementation()]);
        let painted = pipeline.apply(RgbImage::new(2, 1), &mut StudySeed(1).stream(Purpose::Gallery, 0));
        assert_eq!(painted.as_raw(), &[12; 6]);
        assert_eq!(read.behavior().apply(painted.clone(), &mut StudySeed(1).stream(Purpose::Gallery, 0)), painted);

        assert_eq!(Dummy::ROWS[0].help(), "Sets every channel to one value.");
        let parameters = Dummy::ROWS[0].parameters();
        assert_eq!((parameters[0].default.as_deref(), parameters[0].bounds.as_str()), (Some("7"), "0 to 9"));
    }
}
