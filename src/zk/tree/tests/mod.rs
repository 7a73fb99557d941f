mod circuit;
mod native;
mod snapshot;
