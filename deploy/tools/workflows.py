"""Checks what actionlint and zizmor do not ask of our workflows.

Every job has a timeout, the jobs of `deploy` are done in less than half an hour however they are chained, the one that runs
deploy.sh outlasts the time that it is given and names the cluster, and every action is named by its commit, with the version
beside it for people.

    python workflows.py .github/workflows
"""

import pathlib
import re
import sys

import yaml

DEPLOY_MINUTES_BELOW = 30
# What a job that deploys does before and after deploy.sh.
AROUND_DEPLOY_MINUTES = 2
PINNED = re.compile(r"uses: [\w.-]+(/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def longest(jobs, name):
    """The minutes until a job and all that it waits for are surely over."""
    needs = jobs[name].get("needs", [])
    needs = [needs] if isinstance(needs, str) else needs
    return jobs[name]["timeout-minutes"] + max((longest(jobs, other) for other in needs), default=0)


def faults_of_deploying(job):
    """What is wrong with the job that runs deploy.sh: it must not be ended while deploy.sh still waits."""
    runs = [step["run"] for step in job["steps"] if "./deploy.sh" in step.get("run", "")]
    if not runs:
        return ["does not run deploy.sh"]
    within = re.search(r"--within (\d+)m\b", runs[0])
    faults = []
    if within is None:
        faults.append("gives deploy.sh no --within MINUTESm")
    elif job["timeout-minutes"] < int(within[1]) + AROUND_DEPLOY_MINUTES:
        faults.append(f"may end before deploy.sh, which has {within[1]} minutes; {AROUND_DEPLOY_MINUTES} more are right")
    if "--context" not in runs[0]:
        faults.append("names no --context, which mainnet needs")
    return faults


def main() -> int:
    """Prints each fault; above zero if there was one."""
    faults = []
    files = sorted(pathlib.Path(sys.argv[1]).glob("*.y*ml"))
    for file in files:
        text = file.read_text()
        for number, line in enumerate(text.splitlines(), 1):
            if "uses:" in line and not PINNED.search(line):
                faults.append(f"{file}:{number}: an action is named by its whole commit, and its version in a comment")
        workflow = yaml.safe_load(text)
        jobs = workflow["jobs"]
        if workflow.get("permissions") != {}:
            faults.append(f"{file}: permissions are given to jobs, each its own: the workflow's are {{}}")
        without = [name for name, job in jobs.items() if "timeout-minutes" not in job]
        faults += [f"{file}: the job {name} has no timeout" for name in without]
        if file.stem == "deploy" and not without:
            faults += [f"{file}: the job deploy {fault}" for fault in faults_of_deploying(jobs["deploy"])]
            minutes = max(longest(jobs, name) for name in jobs)
            print(f"deploy: {minutes} minutes at most", file=sys.stderr)
            if minutes >= DEPLOY_MINUTES_BELOW:
                faults.append(f"{file}: {minutes} minutes along the longest chain; below {DEPLOY_MINUTES_BELOW} is right")
    if not files:
        faults.append("there are no workflows")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
