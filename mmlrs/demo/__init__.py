"""Transfer learning on real pictures: ``python -m mmlrs.demo --output demo-output``.

A trained network describes labelled pictures by its features, and a logistic regression learns the classes from them. Every
picture is judged by a model that has not seen it. The same learner on raw pixels is judged in the same way. A saved model
then answers in a new process: ``python -m mmlrs.demo.answer demo-output/model PICTURE...``.

The pictures are the photographs of Tux Paint where Debian's package `tuxpaint-stamps-default` is installed, and faces and other
pictures of scikit-image elsewhere.
"""
