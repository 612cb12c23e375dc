"""The numbers a network sees, each a function of a finite trailing window."""
