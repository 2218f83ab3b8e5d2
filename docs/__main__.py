"""Computes every number of the README and the docs again from the kept results: `python -m docs`."""

from docs import claims_page, doctor_page, main_job, real_scale_page

real_scale_page.main([])
claims_page.main([])
main_job.main([])
doctor_page.main()
