//! MLflow's file store (`mlruns`, MLflow 3.17): an experiment per recipe, a run per system; metrics, parameters and tags
//! are a file each.

mod names;
mod store;

pub use store::mlflow;
