mod circuit;
mod native;
