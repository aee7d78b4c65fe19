"""What runs on whole arrays: elementary functions with a guarantee, the C++ kernels, arrays of other libraries."""
