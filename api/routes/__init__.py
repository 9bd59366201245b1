"""The HTTP calls, one file for each subject. A route does not import another one."""
