"""Host tuning: what check, apply, revert and plan-irq share.

tree      files of the host, or of a copy of it rooted elsewhere; the only place that changes any
rules     values and comparisons as the profiles write them
profile   the profile files
machine   what this host is: memory, cores, cards, addresses, disks
senderconf  the few lines of ringpost.conf that matter to the host
irq       which core takes which interrupt
items     profile and host compared: what was found, what is wanted, what would have to change
checks    comparisons that are more than one value
journal   the state file: what was there before
changes   carrying changes out and taking them back
report    the table, the grade
commands  the programs
"""
