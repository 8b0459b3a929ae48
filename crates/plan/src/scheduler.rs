//! The table of a diffusion editor's sampling methods. Their code is in `augtrial-torch`, one file each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use augtrial_base::catalog::{Limit, Row, Work, schema};

/// How many denoising steps a method can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    /// Up to the number of timesteps that the model was trained with.
    Trained,
    /// The same, but its "leading" spacing, multiples of `T / steps` plus an offset, must stay below `T`.
    Leading,
    /// Up to as many as the model's solver took when it was distilled.
    Distilled(u32),
}

impl Steps {
    fn bounds(self) -> String {
        match self {
            Self::Trained => "1 to the training timesteps".to_owned(),
            Self::Leading => "1 to the training timesteps, spaced to stay below them".to_owned(),
            Self::Distilled(most) => format!("1 to {most}"),
        }
    }
}

/// Steps of the solver that latent consistency was distilled from; diffusers' `original_inference_steps`.
pub const DISTILLED_STEPS: u32 = 50;

/// Makes the enum and its rows of lines `Variant = "name", steps, source, works`.
macro_rules! schedulers {
    ($($(#[$about:meta])* $Variant:ident = $name:literal, $steps:expr, $source:literal, $works:expr;)+) => {
        /// Sampling method of a diffusion editor.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub enum Scheduler {
            $($(#[$about])* #[serde(rename = $name)] $Variant,)+
        }

        impl Scheduler {
            /// Every method, in the order of the rows.
            pub const ALL: &[Self] = &[$(Self::$Variant),+];

            /// One row each. Their limits are those of the key `steps` beside the method's name.
            pub const ROWS: &[Row] = &[$(Row {
                name: $name,
                source: $source,
                works: $works,
                schema: schema::<Self>,
                limits: || vec![Limit::rule("steps", &$steps.bounds(), true, String::new)],
            },)+];

            /// The name used in experiment files.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$Variant => $name,)+ }
            }

            /// How many steps it can take.
            #[must_use]
            pub fn steps(self) -> Steps {
                match self { $(Self::$Variant => $steps,)+ }
            }
        }
    };
}

schedulers! {
    /// Euler's method with fresh noise at each step.
    #[default]
    EulerAncestral = "euler-ancestral", Steps::Trained, "diffusers `EulerAncestralDiscreteScheduler`; k-diffusion", &[KARRAS];
    /// Euler's method, without noise after the first.
    Euler = "euler", Steps::Trained, "diffusers `EulerDiscreteScheduler`; Karras et al. 2022, algorithm 1", &[KARRAS];
    /// Denoising diffusion implicit models, deterministic.
    Ddim = "ddim", Steps::Leading, "diffusers `DDIMScheduler`; Song et al. 2021, equation 12", &[SONG];
    /// DPM-Solver++, second order, multistep.
    DpmSolverPp2m = "dpm-solver-pp2m", Steps::Trained, "diffusers `DPMSolverMultistepScheduler`; Lu et al. 2022", &[LU];
    /// Predictor and corrector of order two.
    Unipc = "unipc", Steps::Trained, "diffusers `UniPCMultistepScheduler`; Zhao et al. 2023", &[ZHAO];
    /// Latent consistency: few steps, for a bundle with an LCM `LoRA` folded in.
    Lcm = "lcm", Steps::Distilled(DISTILLED_STEPS), "diffusers `LCMScheduler`; Luo et al. 2023, algorithm 3", &[LUO];
    /// Euler ancestral as in the original repository, by k-diffusion.
    KEulerAncestral = "k-euler-ancestral", Steps::Trained, "k-diffusion 0.1.1 `sample_euler_ancestral`", &[KARRAS];
}

impl Scheduler {
    /// Its row of the table.
    #[must_use]
    pub fn row(self) -> &'static Row {
        Self::ROWS.iter().find(|row| row.name == self.name()).expect("every method is made of a row")
    }
}

const KARRAS: Work = Work {
    key: "karras2022",
    kind: "inproceedings",
    authors: "Karras, Tero and Aittala, Miika and Aila, Timo and Laine, Samuli",
    title: "Elucidating the Design Space of Diffusion-Based Generative Models",
    venue: "Advances in Neural Information Processing Systems",
    year: 2022,
};

const SONG: Work = Work {
    key: "song2021",
    kind: "inproceedings",
    authors: "Song, Jiaming and Meng, Chenlin and Ermon, Stefano",
    title: "Denoising Diffusion Implicit Models",
    venue: "International Conference on Learning Representations",
    year: 2021,
};

const LU: Work = Work {
    key: "lu2022",
    kind: "misc",
    authors: "Lu, Cheng and Zhou, Yuhao and Bao, Fan and Chen, Jianfei and Li, Chongxuan and Zhu, Jun",
    title: "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models",
    venue: "arXiv:2211.01095",
    year: 2022,
};

const ZHAO: Work = Work {
    key: "zhao2023",
    kind: "inproceedings",
    authors: "Zhao, Wenliang and Bai, Lujia and Rao, Yongming and Zhou, Jie and Lu, Jiwen",
    title: "UniPC: A Unified Predictor-Corrector Framework for Fast Sampling of Diffusion Models",
    venue: "Advances in Neural Information Processing Systems",
    year: 2023,
};

const LUO: Work = Work {
    key: "luo2023",
    kind: "misc",
    authors: "Luo, Simian and Tan, Yiqin and Huang, Longbo and Li, Jian and Zhao, Hang",
    title: "Latent Consistency Models: Synthesizing High-Resolution Images with Few-Step Inference",
    venue: "arXiv:2310.04378",
    year: 2023,
};
