"""Send a report where it can be seen. (STUB: being written.)"""
