"""Speed, measured against the floor of the machine in the same run.

`work` is what is done in a turn, `place` where it is done, and `floors` what any program would pay for it there.  Each
other module measures some rows; `rows` knows all of them, `results` what a row is and how it is shown.
"""
