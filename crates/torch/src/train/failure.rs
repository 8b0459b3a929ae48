//! A trial's error on its way up, so that `?` takes LibTorch's errors too.

use augtrial_data::cache::CacheError;
use augtrial_trial::TrainError;
use tch::TchError;

/// A [`TrainError`], made of LibTorch's errors as well.
#[derive(Debug)]
pub struct Failure(pub TrainError);

impl From<TchError> for Failure {
    fn from(error: TchError) -> Self {
        Self(TrainError::Torch(error.into()))
    }
}

impl From<CacheError> for Failure {
    fn from(error: CacheError) -> Self {
        Self(error.into())
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        Self(error)
    }
}

impl From<Failure> for TrainError {
    fn from(Failure(error): Failure) -> Self {
        error
    }
}
