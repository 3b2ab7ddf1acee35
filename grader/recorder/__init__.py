"""What runs inside the student's kernel. Imports nothing of ``grader`` but itself, so that any kernel can carry it."""
