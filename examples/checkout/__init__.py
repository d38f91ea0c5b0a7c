"""checkout: a small service that calls two others. Begin with README.md."""
